"""The commands of analysis: plot, compare, report, select."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from hq_ray.analysis.progress import Show, progress_shown
from hq_ray.cli import SETTINGS, Count, say
from hq_ray.errors import InputError
from hq_ray.store import Results

PER_SEED = click.Choice(["none", "best", "all"])
OUT = click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
SUCCESSES = click.option("--successes_only", is_flag=True, help="Steps of successes only.")
BUDGET = click.Choice(["equal", "all"])


def reading_flags(command: Callable) -> Callable:
    """Which results, which of their trials, by which metric, how smooth."""
    for option in reversed(
        (
            click.argument("results", nargs=-1, required=True),
            click.option("--where", help="Trials to use, like 'alpha < 0.3 and seed in [0, 1]'."),
            click.option("--metric", default="final_return", help="What to judge by."),
            click.option("--smooth", type=Count(), default=151, help="Window of curves, episodes."),
        )
    ):
        command = option(command)
    return command


def open_results(places: tuple[str, ...]) -> list[Results]:
    """The results folders, each once.

    Raises:
        InputError: one is not there.
    """
    found = []
    for place in dict.fromkeys(place.rstrip("/") or place for place in places):
        results = Results.at(place)
        if not results.location.exists():
            raise InputError(f"results must be a folder that a run or sweep wrote, got {place!r}")
        found.append(results)
    return found


def read_study(
    places: list[Results], show: Show, where: str | None = None, **options: object
) -> object:
    """The study of these results, as `analysis.study.study` makes it.

    Raises:
        InputError: there is no trial, or none that is asked for.
    """
    from hq_ray.analysis.study import study

    def advance(done: int, total: int) -> None:
        show("reading configurations", done, total)

    found = study(places, where=where, progress=advance, **options)
    if not len(found.trials):
        names = " and ".join(one.location.text for one in places)
        if where:
            raise InputError(
                f"--where must match a trial of {names}, got {where!r}, which has none"
            )
        raise InputError(f"results must hold trials, but {names} has none yet")
    return found


def results_name(places: list[Results]) -> str:
    """A name for what is made of these results."""
    return "-and-".join(one.location.path.rpartition("/")[2] for one in places)


def show_verdicts(found: object) -> None:
    """The comparisons as a table, then each verdict as a sentence, then what is amiss."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.analysis.comparison import headline
    from hq_ray.analysis.reporting.report_sections import nothing_words
    from hq_ray.analysis.verdict import basis_words, judge, overall_words

    asked = headline(found.comparisons)
    table = Table()
    for name in ("environment", "n", "difference", "95 % interval", "P(better)", "verdict"):
        table.add_column(name, justify="left" if name in ("environment", "verdict") else "right")
    for one in asked:
        row = one.summary()
        n = str(row["n"]) if one.paired else f"{row['n']}, {row['baseline_n']}"
        interval = "–" if row["low"] is None else f"{row['low']:,.3g} to {row['high']:,.3g}"
        chance, difference = f"{row['improvement']:.2f}", f"{row['difference']:,.3g}"
        table.add_row(Text(one.env), n, difference, interval, chance, judge(one).kind)
    if asked:
        Console().print(table)
    for one in asked:
        say(judge(one).sentence)
    say(f"{overall_words(asked)} {basis_words(asked)}" if asked else nothing_words(found))
    for note in found.notes:
        say(f"Note: {note}")


@click.command(name="plot", context_settings=SETTINGS)
@reading_flags
@OUT
@SUCCESSES
@click.option("--per_seed", type=PER_SEED, default="none", help="A figure per trial, drawn on Ray.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster for --per_seed.")
@click.option("--cores", type=Count(), help="Cores for --per_seed [default: all].")
def plot_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    successes_only: bool,
    per_seed: str,
    address: str | None,
    cores: int | None,
) -> None:
    """Draw learning curves of the best configuration of each variant: means, seeds, rates."""
    from hq_ray.analysis.report import writable, write_pictures
    from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits
    from hq_ray.analysis.reporting.exhibits_rates import rate_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, show, where, metric_name=metric, smooth=smooth)
        exhibits = [*curve_exhibits(found, successes_only), *rate_exhibits(found)]
        write_pictures((e for e in exhibits if not e.stem.startswith("diff_")), folder, show)
        if per_seed != "none":
            from hq_ray.analysis.reporting.per_seed import per_seed_jobs

            _per_seed(per_seed_jobs(found, per_seed == "all"), folder, address, cores, show)
    for note in found.notes:
        say(f"Note: {note}")
    _say_without_successes(exhibits, successes_only)
    say(f"Figures: {folder}")


@click.command(name="compare", context_settings=SETTINGS)
@reading_flags
@OUT
@SUCCESSES
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
def compare_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    successes_only: bool,
    rope: float | None,
) -> None:
    """Draw mean ± standard error of the variants and their paired difference; say who wins."""
    from hq_ray.analysis.report import writable, write_pictures
    from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits
    from hq_ray.analysis.reporting.exhibits_scores import score_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, show, where, metric_name=metric, smooth=smooth, rope=rope)
        curves = curve_exhibits(found, successes_only)
        both = [e for e in curves if e.stem.startswith(("compare_", "diff_"))]
        write_pictures([*both, *score_exhibits(found)], folder, show)
    show_verdicts(found)
    _say_without_successes(both, successes_only)
    say(f"Figures: {folder}")


def _say_without_successes(exhibits: Sequence, successes_only: bool) -> None:
    if successes_only and all(one.stem != "compare_mean_se_steps" for one in exhibits):
        say(
            "Note: there is no window in which every seed succeeds, so no figure of the steps of "
            "successes"
        )


def _per_seed(
    jobs: Sequence, folder: str, address: str | None, cores: int | None, show: Show
) -> None:
    """Draws two figures per trial as Ray tasks; their bytes come back, so any node may draw."""
    from hq_ray.analysis.reporting.per_seed import draw_jobs, in_groups
    from hq_ray.location import Location
    from hq_ray.sweeps.ray_map import map_on_ray

    place = Location.of(folder)
    drawn = (
        files for group in map_on_ray(draw_jobs, in_groups(jobs), address, cores) for files in group
    )
    for number, (job, files) in enumerate(zip(jobs, drawn, strict=True), start=1):
        for name, content in files.items():
            place.child(job.folder).write(f"{name}.png", content)
        show("drawing trials", number, len(jobs))


@click.command(name="report", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
@click.option(
    "--budget",
    type=BUDGET,
    default="equal",
    help="Tune both of a pair over as many configurations as the smaller grid has, or over all.",
)
def report_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    rope: float | None,
    budget: str,
) -> None:
    """Write one HTML page that answers which variant wins, where, by how much and how surely."""
    from hq_ray.analysis.report import writable, write_report

    places = open_results(results)
    folder = out or f"reports/{results_name(places)}"
    writable(folder)  # before minutes of reading
    with progress_shown() as show:
        found = read_study(
            places,
            show,
            where,
            metric_name=metric,
            smooth=smooth,
            rope=rope,
            equal_budget=budget == "equal",
            with_times=True,
        )
        page = write_report(found, folder, where, show)
    show_verdicts(found)
    say(f"Report: {page}")


@click.command(name="select", context_settings=SETTINGS)
@reading_flags
@click.option("--top", type=Count(), default=3, help="Configurations of each variant.")
@click.option("--seeds", type=Count(), default=30, help="Fresh seeds of the second stage.")
@click.option("--out", help="Spec to write [default: <name>-stage-2.yaml].")
@click.option(
    "--budget",
    type=BUDGET,
    default="equal",
    help="Choose every variant from as many configurations as the smaller grid of the first "
    "two has, or from all.",
)
def select_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    top: int,
    seeds: int,
    out: str | None,
    budget: str,
) -> None:
    """Choose the best configurations and write a spec that runs them on fresh seeds."""
    from hq_ray.analysis.selection import environments_of, fresh_seeds, select, stage_two_spec
    from hq_ray.sweeps.spec import Sweep

    places = open_results(results)
    if len(places) > 1:
        raise InputError(f"a selection is made from one sweep, got {len(places)}")
    with progress_shown() as show:
        options = {"metric_name": metric, "smooth": smooth, "with_curves": False}
        found = read_study(places, show, where, **options)
    chosen = select(found.table, places[0].location.text, metric, top, budget == "equal")
    name = f"{results_name(places)}-stage-2"
    used = [seed for cell in found.cells for seed in cell.seeds.tolist()]
    spec = stage_two_spec(chosen, name, fresh_seeds(used, seeds), environments_of(found.table))
    Sweep.from_mapping(spec)  # what is written can be run
    path = Path(out or f"{name}.yaml")
    _write_spec(path, f"Second stage of {chosen.results}: {metric}, {seeds} fresh seeds.", spec)
    _show_chosen(chosen, found.table)
    for note in found.notes:
        say(f"Note: {note}")
    say(f"Spec: {path}")
    say(f"Run it with `hq-ray sweep {path}`, then `hq-ray report results/{name}`.")


def _write_spec(path: Path, head: str, spec: dict) -> None:
    import yaml

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {head}\n{yaml.safe_dump(spec, sort_keys=False)}", encoding="utf-8")
    except OSError as problem:
        raise InputError(
            f"--out must be a file that can be written, got {str(path)!r}: {problem.strerror}"
        ) from None


def _show_chosen(chosen: object, table: dict) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    for env, count in chosen.budget.items():
        many = f"up to {count:,} configurations" if count > 1 else "one configuration"
        shown = Table()
        for column in ("variant", "rank", "configuration", f"mean {chosen.metric} ± SE (n)"):
            shown.add_column(column)
        for one in chosen.chosen:
            if one.env == env:
                cell = table[env][one.variant]
                se = "" if one.se is None else f" ± {one.se:,.2g}"
                mean = f"{one.mean:,.5g}{se} ({one.n})"
                label = Text(cell.label(one.row(cell)))
                shown.add_row(one.variant, str(one.rank), label, mean)
        say(f"{env}: each variant chosen from {many}")
        Console().print(shown)


COMMANDS = {
    "plot": plot_command,
    "compare": compare_command,
    "report": report_command,
    "select": select_command,
}
