"""How a request becomes a picture, as four machines that a node may play at once.

    origin   -> asked, announces until a plan names its request, commits the result once
    leader   -> gathers, has a plan made, offers the shared steps, tells everyone their part
    executor -> runs a group's shared steps and hands the checkpoint to every runner
    runner   -> binds to one checkpoint (or to none), runs the local steps, gives the picture to the origin

They never call each other; `node.py` alone sequences them. A lone device plays all four by itself.
"""
