"""One room for each command of `peerd`. `cli.py` names the forms; what they do is here."""
