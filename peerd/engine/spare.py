"""When a run leaves a spare checkpoint, so that little work is lost with it. Pure: the engines bring the time."""


def is_due(unsaved_s: float, step_s: float, spare_s: float) -> bool:
    """Whether one more step like the last would be more work than may be lost at once (`spare_s`; 0: any).

    Of steps that are longer than that each is saved: less than a step can not be.
    """
    return 0.0 < spare_s < unsaved_s + step_s
