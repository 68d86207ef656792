"""What this device can tell of itself: power, heat, memory, measured speed."""
