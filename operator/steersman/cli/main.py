"""The steersman command: what can be said on the command line. The work is in commands/, loaded when it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steersman.cli.choices import Action, Format, Request, Until

if TYPE_CHECKING:
    from steersman.cli.connection import UserClient

DEBUG = "--debug"
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""
BROKEN_PIPE = 141
"""Exit code when the reader of the output left: 128 + SIGPIPE."""

EXIT_CODES = """
Exit codes: 0 done; 1 it failed, or was refused; 130 after Ctrl-C.
`status --exit-code` and `watch --until`: 0 healthy, 1 degraded (or an error), 2 still progressing.
`gate`: 0 every gate passes, 1 one fails, 2 something could not be judged.
"""

app = typer.Typer(
    name="steersman",
    help="See and steer the rollouts of models, with the kubeconfig that kubectl uses.",
    epilog=EXIT_CODES.strip(),
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the ModelDeployment.")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Name of a ModelDeployment; all when left out.")
]
Namespace = Annotated[
    str | None, typer.Option("-n", "--namespace", metavar="NAMESPACE", help="Namespace; default: the context's.")
]
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="CONTEXT", help="Context of the kubeconfig; default: the current one."),
]
AllNamespaces = Annotated[bool, typer.Option("-A", "--all-namespaces", help="Those of all namespaces.")]
Output = Annotated[Format, typer.Option("-o", "--output", help="table, wide (more columns), json or yaml.")]
Force = Annotated[bool, typer.Option("--force", help="Ask even when it makes no sense as things stand.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the operator has answered.")]


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the Python trace of an error; may stand anywhere.")] = False,
) -> None:
    """Only declares --debug for the help: main() takes it out of the arguments, wherever it stands."""


@app.command()
def get(
    name: OptionalName = None,
    namespace: Namespace = None,
    context: Context = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
) -> None:
    """List ModelDeployments."""
    from steersman.cli.commands import look

    _not_both(name, all_namespaces)
    _finish(context, namespace, lambda client: look.get(client, name, all_namespaces, output))


@app.command()
def status(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    output: Output = Format.TABLE,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 0 when healthy, 1 when degraded, 2 when progressing.")
    ] = False,
) -> None:
    """Show everything about one ModelDeployment.

    Traffic, steps, analysis, events, and whatever needs attention with what to do about it.
    """
    from steersman.cli.commands import look

    _finish(context, namespace, lambda client: look.status(client, name, output, exit_code))


@app.command()
def explain(name: Name, namespace: Namespace = None, context: Context = None) -> None:
    """Say why the analysis of a rollout, under way or the last, says what it says.

    For each metric the rule, the numbers and the evidence over time: enough to redo the decision by hand.
    """
    from steersman.cli.commands import look

    _finish(context, namespace, lambda client: look.explain(client, name))


@app.command()
def drift(name: Name, namespace: Namespace = None, context: Context = None, output: Output = Format.TABLE) -> None:
    """Show how far what a model gets and predicts has drifted from its reference.

    The columns that drifted most, the worst first, by what each was judged, and what the detectors of concept drift say.
    """
    from steersman.cli.commands import look

    _finish(context, namespace, lambda client: look.drift(client, name, output))


@app.command()
def watch(
    name: OptionalName = None,
    namespace: Namespace = None,
    context: Context = None,
    all_namespaces: AllNamespaces = False,
    until: Annotated[
        Until | None,
        typer.Option(
            "--until",
            help="End when it is healthy, or when nothing is under way any more (ended). "
            "Exits with 0 when healthy, 1 when degraded, 2 when progressing as the time ran out.",
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="DURATION", help="Longest wait for --until, for example 10m.")
    ] = None,
) -> None:
    """Follow rollouts live.

    In a pipe or a log, one line per change. With --until it waits and tells by its exit code how it came out.
    """
    from steersman.api.duration import parse_duration
    from steersman.cli.commands import watch as command
    from steersman.cli.commands.display import choose_display
    from steersman.cli.errors import UserError

    _not_both(name, all_namespaces)
    if until is not None and not name:
        raise UserError("--until needs a NAME", "say which ModelDeployment to wait for")
    if timeout is not None and until is None:
        raise UserError("--timeout needs --until", "say what to wait for: --until healthy or --until ended")
    try:
        seconds = parse_duration(timeout) if timeout is not None else None
    except ValueError as error:
        raise UserError(f"--timeout: {error}") from error

    async def follow(client: UserClient) -> int:
        with choose_display(all_namespaces) as display:
            return await command.watch(
                client, display, name, all_namespaces=all_namespaces, until=until, time_limit=seconds
            )

    _finish(context, namespace, follow)


@app.command()
def promote(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    full: Annotated[
        bool, typer.Option("--full", help="Leave out all the remaining steps and waits for evidence.")
    ] = False,
    force: Force = False,
    no_wait: NoWait = False,
) -> None:
    """End the present wait of a rollout.

    A pause, an analysis or experiment step, a wait for evidence that does not come or, blue-green, the wait before the switch.
    With --full the candidate gets all traffic as soon as it has the pods. A failing analysis still aborts until then.
    """
    _act(Request(Action.PROMOTE_FULL if full else Action.PROMOTE), name, namespace, context, force, no_wait)


@app.command()
def abort(
    name: Name, namespace: Namespace = None, context: Context = None, force: Force = False, no_wait: NoWait = False
) -> None:
    """Return all traffic to stable.

    The candidate is quarantined: it is not tried again until the spec or the version changes, or somebody says retry.
    """
    _act(Request(Action.ABORT), name, namespace, context, force, no_wait)


@app.command()
def rollback(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="VERSION|REVISION",
            help="A version or revision that history marks; default: the one that was stable before.",
        ),
    ] = "",
    force: Force = False,
    no_wait: NoWait = False,
) -> None:
    """Bring an earlier revision back.

    Without steps, and without an analysis. It serves until the spec or the version that it means changes, or somebody says retry. While a rollout is under way, and
    without --to, it is an abort.
    """
    _act(Request(Action.ROLLBACK, to), name, namespace, context, force, no_wait)


@app.command()
def retry(
    name: Name, namespace: Namespace = None, context: Context = None, force: Force = False, no_wait: NoWait = False
) -> None:
    """Lift a quarantine or a rollback.

    What the spec asks for is tried again, from the first step unless it was stable not long ago.
    """
    _act(Request(Action.RETRY), name, namespace, context, force, no_wait)


@app.command()
def pause(
    name: Name, namespace: Namespace = None, context: Context = None, force: Force = False, no_wait: NoWait = False
) -> None:
    """Hold the rollout where it is.

    The analysis goes on and may still abort it.
    """
    _act(Request(Action.PAUSE), name, namespace, context, force, no_wait)


@app.command()
def resume(
    name: Name, namespace: Namespace = None, context: Context = None, force: Force = False, no_wait: NoWait = False
) -> None:
    """Go on after pause."""
    _act(Request(Action.RESUME), name, namespace, context, force, no_wait)


@app.command()
def history(name: Name, namespace: Namespace = None, context: Context = None, output: Output = Format.TABLE) -> None:
    """List the rollouts that ended, newest first.

    The column ROLLBACK says what `steersman rollback` takes to bring a revision back.
    """
    from steersman.cli.commands import look

    _finish(context, namespace, lambda client: look.history(client, name, output))


@app.command()
def simulate(
    files: Annotated[
        list[str],
        typer.Option(
            "-f", "--filename", metavar="FILE", help="Manifests, of AnalysisTemplates too; - is standard input."
        ),
    ],
    rps: Annotated[
        float, typer.Option("--rps", metavar="NUMBER", help="Requests a second, candidate and stable together.")
    ],
    error_rate: Annotated[
        str,
        typer.Option("--error-rate", metavar="SHARE", help="Share of stable's requests that fail, for example 0.2%."),
    ],
    bad: Annotated[
        list[str], typer.Option("--bad", metavar="SHARE", help="What bad candidates fail; may be given several times.")
    ] = ["1%", "5%", "50%"],  # noqa: B006  typer copies it
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which ModelDeployment, when the files hold several.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, as .png or .svg (needs steersman[plot]).")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say what a canary will be able to see, before anything is deployed.

    How long it takes, how small a regression it finds, how often it is wrong about a good version, and how many requests a bad
    one fails: by playing the rollout many times with random requests and the sequential judge itself. Asks no cluster.
    """
    from steersman.cli.commands import simulate as command

    asked = command.Asked(
        files=files,
        name=name,
        per_second=rps,
        stable=command.share(error_rate, "--error-rate"),
        bad=[command.share(each, "--bad") for each in bad],
        plot=plot,
    )
    raise typer.Exit(command.simulate(asked, output))


@app.command()
def gate(
    files: Annotated[
        list[str],
        typer.Option(
            "-f", "--filename", metavar="FILE", help="Manifests, of ModelRegistries too; - is standard input."
        ),
    ],
    registry_url: Annotated[
        str | None,
        typer.Option(
            "--registry-url", metavar="URL", help="Of the MLflow server; default: of the ModelRegistry in the files."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="VERSION|ALIAS", help="What to compare with as stable; default: nothing."),
    ] = None,
    judged: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION|ALIAS", help="What to judge; default: what the manifest names."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which ModelDeployment, when the files hold several.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Judge a version by the gates of its manifest, from what the registry knows.

    For pipelines: exits with 1 when a gate fails, and with 2 when something could not be judged. Credentials are taken from
    MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN. Asks no cluster.
    """
    from steersman.cli.commands import gate as command

    asked = command.Asked(files, name, registry_url, judged, against)
    raise typer.Exit(command.gate(asked, output))


@app.command()
def lineage(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    of: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="Which version; default: candidate and stable.")
    ] = None,
    registry_url: Annotated[
        str | None,
        typer.Option("--registry-url", metavar="URL", help="Of the MLflow server; default: of its ModelRegistry."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say where a version comes from, and everything that was decided about it.

    Run, git commit, datasets, parameters, metrics, approvals, gates and rollouts. Reads the status and the registry, with the
    credentials in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN. Exits with 1 when the
    registry does not answer; then it shows what the status remembers.
    """
    from steersman.cli.commands import lineage as command

    asked = command.Asked(name, of, registry_url)
    _finish(context, namespace, lambda client: command.lineage(client, asked, output))


@app.command()
def version() -> None:
    """Print the version of this command."""
    from steersman import __version__

    typer.echo(f"steersman {__version__}")


def _act(asked: Request, name: str, namespace: str | None, context: str | None, force: bool, no_wait: bool) -> None:
    from steersman.cli.acting import ANSWER_WITHIN
    from steersman.cli.commands.act import act

    wait_for = 0.0 if no_wait else ANSWER_WITHIN
    _finish(context, namespace, lambda client: act(client, name, asked, force=force, wait_for=wait_for))


def _not_both(name: str | None, all_namespaces: bool) -> None:
    if name and all_namespaces:
        from steersman.cli.errors import UserError

        raise UserError("a NAME and -A do not go together", "say the namespace with -n, or leave the name out")


def _finish(context: str | None, namespace: str | None, command: Callable[[UserClient], Awaitable[int]]) -> None:
    """Connect, run a command, and exit with the code that it returns."""
    import asyncio

    from steersman.cli import connection

    async def connected() -> int:
        client = await connection.connect(context, namespace)
        try:
            return await command(client)
        finally:
            await client.close()

    raise typer.Exit(asyncio.run(connected()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (sys.argv by default); the exit code. Never lets an exception out, unless with --debug."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in given
    words = [word for word in given if word != DEBUG] or ["--help"]
    program = "kubectl steersman" if Path(sys.argv[0]).name.startswith("kubectl-") else "steersman"
    try:
        code = app(args=words, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # Whoever read the output left. Nothing more may be written, nor flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except SystemExit as end:
        # typer's own answer to a broken pipe is an exit with 1.
        if isinstance(end.__context__, BrokenPipeError):
            return BROKEN_PIPE
        return end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _report(error, program, words)


def _report(error: Exception, program: str, words: Sequence[str]) -> int:
    """Say in one line what went wrong, and in another what to do; the exit code."""
    from steersman.cli.errors import UserError, explained
    from steersman.cli.output import print_error
    from steersman.ports import ApiError, NotFound

    if isinstance(error, typer.TyperException):
        names = {info.callback.__name__ for info in app.registered_commands if info.callback}
        command = next((word for word in words if word in names), None)
        hint = f"{program} {command} --help" if command else f"{program} --help"
        print_error(error.format_message(), f"see {hint}")
        return 1
    if isinstance(error, ApiError | NotFound):
        error = explained(error)
    if isinstance(error, UserError):
        print_error(str(error), error.hint)
        return error.exit_code
    print_error(
        f"unexpected {type(error).__name__}: {error}",
        f"this is a defect of steersman; to see where: {program} {DEBUG} {' '.join(words)}",
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
