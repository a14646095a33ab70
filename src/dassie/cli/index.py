"""Every command: its words, the module that has it, and its one-line summary. Pure data.

It is what `pachctl --help`, completion and the search for near misses read, without importing any
noun's module: that keeps them fast. A test holds it and the modules together.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    module: str
    summary: str


_TABLE = """
create repo         | repo      | Make a repo
update repo         | repo      | Change a repo's description
inspect repo        | repo      | Show a repo
list repo           | repo      | List repos
delete repo         | repo      | Delete a repo and everything in it

create branch       | branch    | Make a branch, or move or rewire one
update branch       | branch    | Move or rewire a branch
inspect branch      | branch    | Show a branch
list branch         | branch    | List the branches of a repo
delete branch       | branch    | Delete a branch; its commits stay

create project      | project   | Make a project
update project      | project   | Change a project's description
inspect project     | project   | Show a project
list project        | project   | List projects
delete project      | project   | Delete a project with its pipelines and repos

start commit        | commit    | Open a commit for several writes
finish commit       | commit    | Close a commit; pipelines downstream then run
inspect commit      | commit    | Show a commit
list commit         | commit    | List commits, or the commit sets of a project
wait commit         | commit    | Wait until a commit, or a whole commit set, is finished
subscribe commit    | commit    | Print commits of a branch as they come
find commit         | commit    | Find the commits that changed a path
delete commit       | commit    | Remove a commit set and its data
squash commit       | commit    | Remove a commit set, keeping its data in its children

put file            | put       | Put files, folders, URLs or stdin into a repo
get file            | get       | Get a file, or a folder with -r
copy file           | file      | Copy a file or folder inside or between repos
delete file         | file      | Delete a file or folder
inspect file        | file      | Show a file
list file           | file      | List a folder
glob file           | file      | List the files and folders that match a pattern
diff file           | diff      | Compare two commits, or two files

create pipeline     | pipeline_spec | Make pipelines from a specification
update pipeline     | pipeline_spec | Change pipelines
edit pipeline       | pipeline_spec | Change a pipeline in your editor
validate pipeline   | pipeline_spec | Check a specification, changing nothing
inspect pipeline    | pipeline  | Show a pipeline
list pipeline       | pipeline  | List pipelines
delete pipeline     | pipeline  | Delete a pipeline and its output
start pipeline      | pipeline  | Let a stopped pipeline run again
stop pipeline       | pipeline  | Stop a pipeline; no new jobs until it is started
rerun pipeline      | pipeline  | Run a pipeline again on its current inputs
run cron            | pipeline  | Tick the cron inputs of a pipeline now
draw pipeline       | draw      | Draw the pipelines of a project as a graph

inspect job         | job       | Show a job
list job            | job       | List jobs, or the job sets of a project
wait job            | job       | Wait until a job, or a whole job set, has ended
stop job            | job       | Stop a job
delete job          | job       | Delete a job
inspect datum       | datum     | Show a datum
list datum          | datum     | List the datums of a job, or those a specification would make
restart datum       | datum     | Start a running datum anew
why                 | datum     | Say why each datum of a job ran or was skipped
logs                | logs      | Print what pipelines, jobs and datums wrote

inspect defaults    | defaults  | Show the defaults pipelines inherit
list defaults       | defaults  | Show the defaults pipelines inherit
create defaults     | defaults  | Set the defaults pipelines inherit
update defaults     | defaults  | Change the defaults pipelines inherit
delete defaults     | defaults  | Forget the defaults pipelines inherit

version             | cluster   | Print the versions of pachctl and pachd
buildinfo           | cluster   | Print what this pachctl was built from
inspect cluster     | cluster   | Show the server
auth whoami         | cluster   | Print who the server takes you for
check status        | cluster   | Print alerts of pipelines
fsck                | cluster   | Check the version graph and the stored data
delete all          | cluster   | Delete everything on the server

connect             | contexts  | Connect to a server, and remember it as a context
config get active-context            | contexts | Print the active context's name
config set active-context            | contexts | Choose a context
config get active-enterprise-context | contexts | Print the enterprise context's name
config set active-enterprise-context | contexts | Choose the enterprise context
config get context                   | contexts | Print a context
config set context                   | contexts | Make a context
config update context                | contexts | Change a context
config delete context                | contexts | Delete a context
config list context                  | contexts | List contexts
config get metrics                   | contexts | Print whether usage metrics are on
config set metrics                   | contexts | Switch usage metrics

completion bash     | completion | Print the completion script for bash
completion zsh      | completion | Print the completion script for zsh
completion fish     | completion | Print the completion script for fish
help                | usage      | Show help for a command
"""

_UNBUILT = """
auth: activate deactivate login logout use-auth-token get-robot-token get-groups revoke
    rotate-root-token roles-for-permission get-config set-config check get set
create: secret
inspect: secret transaction
list: secret transaction
delete: secret transaction commitV2
squash: commitV2
start: transaction
stop: transaction
resume: transaction
finish: transaction
edit: metadata
debug: analyze binary dump local log-level profile template trace
enterprise: deactivate get-state heartbeat pause pause-status register sync-contexts unpause
license: activate add-cluster update-cluster delete-cluster list-clusters delete-all get-state
idp: create-client create-connector list-client list-connector get-config set-config
run: pfs-load-test pps-load-test
restart: cluster
next: datum
config: import-kube
misc: generate-download-url decode-download-url
: mount unmount shell port-forward kube-events loki logs2
"""

GROUPS = (
    ("Data", ("repo", "branch", "project", "commit", "put", "get", "file", "diff")),
    ("Pipelines", ("pipeline_spec", "pipeline", "draw", "job", "datum", "logs", "defaults")),
    ("Server", ("cluster",)),
    ("This client", ("contexts", "completion", "usage")),
)

_PLURALS = {
    "repos": "repo",
    "branches": "branch",
    "projects": "project",
    "commits": "commit",
    "files": "file",
    "pipelines": "pipeline",
    "jobs": "job",
    "datums": "datum",
    "default": "defaults",
    "contexts": "context",
    "secrets": "secret",
    "transactions": "transaction",
    "clusters": "cluster",
    "crons": "cron",
}


def _read(table: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for line in table.strip().splitlines():
        if line.strip():
            path, module, summary = (part.strip() for part in line.split("|"))
            found[path] = Entry(module, summary)
    return found


def _read_unbuilt(table: str) -> frozenset[str]:
    found: set[str] = set()
    verb = ""
    for line in table.strip("\n").splitlines():
        if ":" in line:
            verb, _, line = line.partition(":")
        found.update(f"{verb} {word}".strip() for word in line.split())
    return frozenset(found)


COMMANDS = _read(_TABLE)
UNBUILT = _read_unbuilt(_UNBUILT)
"""Commands of Pachyderm that Dassie does not have yet."""


def singular(word: str) -> str:
    """`repos` → `repo`; other words as they are."""
    return _PLURALS.get(word, word)


def find(words: list[str]) -> tuple[str, int]:
    """The longest command that `words` begin with, and of how many words it is ("" and 0: none)."""
    normal = [singular(word) for word in words[:3]]
    for count in range(len(normal), 0, -1):
        path = " ".join(normal[:count])
        if path in COMMANDS or path in UNBUILT:
            return path, count
    return "", 0


def below(prefix: str) -> dict[str, Entry]:
    """The commands that begin with these words."""
    return {path: entry for path, entry in COMMANDS.items() if path.startswith(prefix + " ")}


def near_misses(words: list[str]) -> list[str]:
    """Commands that look like what was typed: spelling, or the noun before the verb."""
    from difflib import get_close_matches

    typed = [singular(word) for word in words[:3]]
    if " ".join([*typed[1:2], *typed[:1]]) in COMMANDS:
        return [" ".join([*typed[1:2], *typed[:1]])]
    corrected: list[str] = []
    for word in typed:
        prefix = " ".join([*corrected, ""]) if corrected else ""
        known = {
            path.removeprefix(prefix).split()[0]
            for path in COMMANDS
            if path != prefix.strip() and path.startswith(prefix)
        }
        close = get_close_matches(word, known, n=1, cutoff=0.6)
        if not close:
            break
        corrected.append(close[0])
        if " ".join(corrected) in COMMANDS:
            return [" ".join(corrected)]
    return get_close_matches(" ".join(typed[:2]), COMMANDS, n=3, cutoff=0.7)
