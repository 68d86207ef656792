"""The forms of `peerd`: names, options and help. What a command does is in `commands/`.

Imports stay lazy: `peerd --help` has 0.4 s, and no command but `up` needs more than a socket and a screen.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="peerd",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Devices around you make pictures together: similar requests share their first denoising steps.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Say yes to the check words beforehand.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="T", help="Denoising steps.")]
Shared = Annotated[str, typer.Option("--shared", metavar="K|auto", help="Steps to share; 0 runs it alone.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Seed of the first noise.")]
Guidance = Annotated[float | None, typer.Option("--guidance", metavar="G", help="How closely to follow the words.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", metavar="NAME", help="ddim, euler, dpmpp_2m, …")]
Negative = Annotated[str, typer.Option("--negative", metavar="TEXT", help="What not to draw.")]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Pixels, for example 256x256.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|FOLDER", help="A Stable Diffusion folder of your own; else this node's model."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write the picture.")]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME:N", help="Wait for N requests of this name.")]
Wait = Annotated[float, typer.Option("--wait", metavar="SECONDS", help="How long a named group waits.")]
Share = Annotated[str, typer.Option("--share", metavar="prompt|concepts|nothing", help="What may leave this device.")]
Quality = Annotated[
    str, typer.Option("--quality", metavar="strict|balanced|fast", help="How much may be lost by sharing.")
]
Keep = Annotated[
    bool, typer.Option("--keep/--no-keep", help="Whether this prompt's checkpoints may be kept for later requests.")
]


def _exit(code: int) -> None:
    raise typer.Exit(code)


@app.command()
def up(
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="What this node calls itself.")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="P", min=0, max=65_534, help="0: any free one.")] = None,
    peer: Annotated[list[str] | None, typer.Option("--peer", metavar="HOST:PORT", help="Dial this node too.")] = None,
    no_mdns: Annotated[bool, typer.Option("--no-mdns", help="Neither announce nor look by multicast.")] = False,
    as_json: Json = False,
) -> None:
    """Run the daemon in the foreground; SIGTERM or Ctrl-C says goodbye."""
    from peerd.commands import output
    from peerd.commands.up import up as run_up
    from peerd.config import UpOptions

    options = UpOptions(name=name, port=port, peers=tuple(peer or ()), mdns=not no_mdns)
    _exit(output.run(lambda: run_up(options, as_json), as_json))


@app.command()
def status(as_json: Json = False) -> None:
    """Show this node, its leader and its cluster."""
    from peerd.commands import output
    from peerd.commands.status import status as run_status

    _exit(output.run(lambda: run_status(as_json), as_json))


@app.command()
def peers(as_json: Json = False) -> None:
    """Show the other devices of the cluster."""
    from peerd.commands import output
    from peerd.commands.status import peers as run_peers

    _exit(output.run(lambda: run_peers(as_json), as_json))


@app.command()
def invite(
    minutes: Annotated[float, typer.Option(metavar="M", help="How long the door stays open, at most 10.")] = 10.0,
    guest: Annotated[
        bool, typer.Option("--guest", help="It may ask for pictures, and neither run steps nor lead.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let one device in: prints a token for `peerd join` on the other."""
    from peerd.commands import output
    from peerd.commands.pairing import invite as run_invite

    _exit(output.run(lambda: run_invite(minutes, guest, yes, as_json), as_json))


@app.command()
def join(
    token: Annotated[str | None, typer.Argument(metavar="[TOKEN]")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", metavar="FILE", help="Read it from FILE.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Join the cluster that made TOKEN, which may also stand in a file or in PEERD_TOKEN."""
    from peerd.commands import output
    from peerd.commands.pairing import join as run_join

    _exit(output.run(lambda: run_join(token, token_file, yes, as_json), as_json))


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name, its id, or how the id begins.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")] = False,
    as_json: Json = False,
) -> None:
    """Shut a device out of the cluster, for ever."""
    from peerd.commands import output
    from peerd.commands.parting import revoke as run_revoke

    _exit(output.run(lambda: run_revoke(device, yes, as_json), as_json))


@app.command()
def leave(
    abandon: Annotated[bool, typer.Option("--abandon", help="Even if nobody could let others in any more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")] = False,
    as_json: Json = False,
) -> None:
    """Leave the cluster; this node is alone then, and may join another."""
    from peerd.commands import output
    from peerd.commands.parting import leave as run_leave

    _exit(output.run(lambda: run_leave(abandon, yes, as_json), as_json))


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT")],
    steps: Steps = None,
    shared: Shared = "auto",
    seed: Seed = None,
    guidance: Guidance = None,
    scheduler: Scheduler = None,
    negative: Negative = "",
    size: Size = None,
    model: Model = None,
    out: Out = None,
    group: Group = None,
    wait: Wait = 10.0,
    share: Share = "prompt",
    quality: Quality = "balanced",
    keep: Keep = True,
    as_json: Json = False,
) -> None:
    """Make a picture, sharing its first steps with similar requests where that helps. Ctrl-C cancels."""
    from peerd.commands import output
    from peerd.commands.generate import generate as run_generate
    from peerd.commands.wishes import Words

    words = Words(
        steps, shared, seed, guidance, scheduler, negative, size, model, out, group, wait, share, quality, keep
    )
    _exit(output.run(lambda: run_generate(prompt, words, as_json), as_json))


@app.command()
def plan(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...")],
    steps: Steps = None,
    shared: Shared = "auto",
    seed: Seed = None,
    guidance: Guidance = None,
    scheduler: Scheduler = None,
    negative: Negative = "",
    size: Size = None,
    model: Model = None,
    share: Share = "prompt",
    quality: Quality = "balanced",
    as_json: Json = False,
) -> None:
    """Say what would happen if these prompts were asked now; runs nothing."""
    from peerd.commands import output
    from peerd.commands.plan import plan as run_plan
    from peerd.commands.wishes import Words

    words = Words(steps, shared, seed, guidance, scheduler, negative, size, model, share=share, quality=quality)
    _exit(output.run(lambda: run_plan(prompts, words, as_json), as_json))


models_app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(models_app, name="models")


@models_app.callback()
def models() -> None:
    """What this device knows of its models."""


@models_app.command()
def calibrate(
    model: Model = None,
    scheduler: Annotated[list[str] | None, typer.Option("--scheduler", metavar="NAME", help="May be repeated.")] = None,
    steps: Annotated[list[int] | None, typer.Option("--steps", metavar="T", help="May be repeated.")] = None,
    quality: Annotated[
        list[str] | None, typer.Option("--quality", metavar="strict|balanced|fast", help="Default: all three.")
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", metavar="N", help="Pairs of prompts to try.")] = 120,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Which pairs, and their pictures.")] = 1,
    minutes: Annotated[float | None, typer.Option("--minutes", metavar="N", help="Stop measuring after that.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here, not to this home.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how many steps prompts may share on a model; a second run goes on where the first one stopped."""
    from peerd.commands import output
    from peerd.commands.calibrate import Wanted
    from peerd.commands.calibrate import calibrate as run_calibrate

    wanted = Wanted(model, tuple(scheduler or ()), tuple(steps or ()), tuple(quality or ()), pairs, seed, minutes, out)
    _exit(output.run(lambda: run_calibrate(wanted, as_json), as_json))


cache_app = typer.Typer(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(cache_app, name="cache")


@cache_app.callback()
def cache(context: typer.Context, as_json: Json = False) -> None:
    """Show the checkpoints that this node keeps for later requests, or clear them."""
    if context.invoked_subcommand is not None:
        return
    from peerd.commands import output
    from peerd.commands.cache import show

    _exit(output.run(lambda: show(as_json), as_json))


@cache_app.command()
def clear(as_json: Json = False) -> None:
    """Remove all kept checkpoints; running requests go on."""
    from peerd.commands import output
    from peerd.commands.cache import clear as run_clear

    _exit(output.run(lambda: run_clear(as_json), as_json))


@app.command()
def concepts(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...")],
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw the concepts into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Say why prompts are near or far, and what of them --share concepts shows; asks no daemon."""
    from peerd.commands import output
    from peerd.commands.concepts import concepts as run_concepts

    _exit(output.run(lambda: run_concepts(prompts, svg, as_json), as_json))


@app.command()
def audit(
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG...]", help="Other devices' logs: exported files, or homes.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write this node's log for others to audit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the log of receipts for shared steps, and hold others' logs against it; asks no daemon."""
    from peerd.commands import output
    from peerd.commands.audit import audit as run_audit

    _exit(output.run(lambda: run_audit(logs or [], export, as_json), as_json))


@app.command()
def demo(
    prompts: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT...]")] = None,
    nodes: Annotated[int, typer.Option(metavar="N", help="Daemons to start.")] = 4,
    steps: Annotated[int, typer.Option(metavar="T", help="Denoising steps of each picture.")] = 11,
    shared: Annotated[int, typer.Option(metavar="K", help="How many of them are shared.")] = 5,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the first noise, the same for all.")] = 41,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the pictures go; default demo-out.")] = None,
    kill: Annotated[
        bool, typer.Option("--kill", help="Draw once more, kill the device that runs the shared steps, compare.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start real daemons here, pair them, and let them draw together before your eyes."""
    from peerd.commands import output
    from peerd.commands.demo import demo as run_demo

    _exit(output.run(lambda: run_demo(prompts or [], nodes, steps, shared, seed, out, kill, as_json), as_json))


def main() -> None:
    """The `peerd` program."""
    try:
        code = app(prog_name="peerd", standalone_mode=False)
    except KeyboardInterrupt:  # between two commands' own care: before one began or after it ended
        code = 130
    except Exception as error:
        code = _say_wrong_form(error)
    sys.exit(code)


def _say_wrong_form(error: Exception) -> int:
    """What the parser finds wrong is told like every other error. Any other exception is a fault of ours: raised."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        raise error
    from peerd.commands import output

    words = sys.argv[1:]
    as_json = "--json" in words[: words.index("--")] if "--" in words else "--json" in words
    context = getattr(error, "ctx", None)
    form = context.command_path if context is not None else "peerd"
    what = " ".join(format_message().split()).rstrip(".")
    if not what:  # it has shown the help instead
        return output.USAGE
    return output.say_error(f"{what} (see `{form} --help`).", as_json, output.USAGE)
