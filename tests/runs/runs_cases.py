"""Cases that several tests of this room share."""

from medlab import runs

SECRET = "Okafor^Jane"


# Put together in the cell, so that the source itself does not hold it.
MADE = 'secret = "Oka" + "for^" + "Jane"'


FIGURE = """\
from matplotlib.figure import Figure
from medlab import viz
fig = Figure(figsize=(2, 2))
fig.add_subplot().plot(run.rng.normal(size=k))
run.keep(first=run.rng.normal(), whole=k)
viz.show(fig, alt="a line that wanders", caption="A walk.")"""


def everything_in(folder) -> str:
    return "\n".join(
        f"{path.name}\n{path.read_text(errors='replace')}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def execute(paths, output, **options):
    return runs.run(runs.plan_jobs(paths), output, **options)
