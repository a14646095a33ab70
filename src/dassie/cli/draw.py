"""`draw pipeline`: the repos and pipelines of a project as a graph of boxes.

The drawing itself is in `dag.py` and pure; here its nodes and edges are fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dassie.cli import dag, grammar
from dassie.cli.grammar import ALL_PROJECTS, PROJECT, Command
from dassie.cli.inputs import sources

if TYPE_CHECKING:
    from dassie.cli.session import Session


def draw(session: Session) -> None:
    from dassie._proto.pps import pps_pb2

    request = pps_pb2.ListPipelineRequest(details=True, projects=session.projects)
    if commit_set := session.text("commit"):
        request.commit_set.id = commit_set
    edges: list[tuple[str, str]] = []
    alone: list[str] = []

    def name(project: str, repo: str) -> str:
        return repo if project == session.project else f"{project}/{repo}"

    for info in session.pps.ListPipeline(request):
        pipeline = name(info.pipeline.project.name, info.pipeline.name)
        read = [
            name(project, repo)
            for project, repo in sources(info.details.input, info.pipeline.project.name)
        ]
        edges += [(repo, pipeline) for repo in dict.fromkeys(read)]
        if not read:
            alone.append(pipeline)
    if not edges and not alone:
        session.out.say("there are no pipelines to draw")
        return
    lines = dag.draw(edges, alone, box_width=session.number("box_width"))
    text = "".join(f"{line}\n" for line in lines)
    if path := session.text("output"):
        Path(path).write_text(text, encoding="utf-8")
    else:
        session.out.stdout.write(text)


COMMANDS = (
    Command(
        "draw pipeline",
        draw,
        (),
        (
            grammar.text(
                "-c", "--commit", help="as the pipelines were at this commit set", metavar="ID"
            ),
            grammar.number("--box-width", help="width of the boxes (default: as wide as names)"),
            grammar.number("--edge-height", help="accepted for Pachyderm's sake"),
            grammar.text("-o", "--output", help="write to this file", complete="path"),
            PROJECT,
            ALL_PROJECTS,
        ),
    ),
)
