"""Attacks on real sockets and real daemons, each with the tools that an attacker would have."""
