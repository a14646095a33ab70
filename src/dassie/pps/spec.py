"""A pipeline's spec: documents → effective JSON → `Spec`. Pure.

The door parses what the user wrote (`parse_documents`), merges defaults below it (`effective`), and
the runtime works with the `Spec` made of the result (`Spec.from_json`), which is valid by
construction. The effective JSON is what is stored, in protobuf's JSON form with lowerCamelCase
names and without nulls. Field names and types are checked in `spec_json`, values in `spec_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dassie.base.documents import Json, parse_documents
from dassie.pfs.model import DEFAULT_PROJECT, META, SPEC, USER, BranchKey, RepoKey
from dassie.pps import spec_checks
from dassie.pps.spec_fields import CLUSTER_DEFAULTS, PROJECT_DEFAULTS, REQUEST_ONLY, ROOT
from dassie.pps.spec_json import check, merge, parse_object, seconds

__all__ = [
    "Cross",
    "DatumSetSpec",
    "Input",
    "Orders",
    "PfsInput",
    "Spec",
    "Transform",
    "Union",
    "effective",
    "parse_documents",
    "parse_object",
]

SPEC_BRANCH: Final = "master"

BUILT_IN: Final[Json] = {
    "transform": {"image": "ubuntu:20.04"},
    "outputBranch": "master",
    "datumTries": "3",
    "reprocessSpec": spec_checks.UNTIL_SUCCESS,
    "resourceRequests": {"cpu": 1.0, "memory": "256Mi", "disk": "1Gi"},
    "sidecarResourceRequests": {"cpu": 1.0, "memory": "256Mi", "disk": "1Gi"},
}
"""What a spec says when neither its author nor any defaults do."""


@dataclass(frozen=True, slots=True)
class PfsInput:
    """Paths of one branch that match `glob`: one datum each."""

    name: str
    project: str
    repo: str
    branch: str
    glob: str
    repo_type: str = USER
    lazy: bool = False
    empty_files: bool = False
    reference: bool = False
    never_propagate: bool = False

    @property
    def branch_key(self) -> BranchKey:
        return BranchKey(RepoKey(self.project, self.repo, self.repo_type), self.branch)

    @property
    def sort_name(self) -> str:
        return self.name

    def leaves(self) -> Iterator[PfsInput]:
        """All `PfsInput`s in order."""
        yield self

    @property
    def json(self) -> Json:
        """As `pps_v2.Input` JSON, with what was defaulted filled in."""
        raw: Json = {
            "project": self.project,
            "name": self.name,
            "repo": self.repo,
            "repoType": self.repo_type,
            "branch": self.branch,
            "glob": self.glob,
        }
        for name, value in (
            ("lazy", self.lazy),
            ("emptyFiles", self.empty_files),
            ("reference", self.reference),
        ):
            if value:
                raw[name] = True
        if self.never_propagate:
            raw["propagationSpec"] = {"never": True}
        return {"pfs": raw}


@dataclass(frozen=True, slots=True)
class Cross:
    """Every combination of one datum of each input."""

    inputs: tuple[Input, ...]

    @property
    def sort_name(self) -> str:
        return self.inputs[0].sort_name

    def leaves(self) -> Iterator[PfsInput]:
        for child in self.inputs:
            yield from child.leaves()

    @property
    def json(self) -> Json:
        return {"cross": [child.json for child in self.inputs]}


@dataclass(frozen=True, slots=True)
class Union:
    """The datums of all inputs, each once."""

    inputs: tuple[Input, ...]

    @property
    def sort_name(self) -> str:
        return self.inputs[0].sort_name

    def leaves(self) -> Iterator[PfsInput]:
        for child in self.inputs:
            yield from child.leaves()

    @property
    def json(self) -> Json:
        return {"union": [child.json for child in self.inputs]}


Input = PfsInput | Cross | Union


@dataclass(frozen=True, slots=True)
class Transform:
    """The user code and how it is run."""

    cmd: tuple[str, ...]
    image: str = ""
    err_cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: tuple[str, ...] = ()
    err_stdin: tuple[str, ...] = ()
    accept_return_code: tuple[int, ...] = ()
    user: str = ""
    working_dir: str = ""
    debug: bool = False
    memory_volume: bool = False


@dataclass(frozen=True, slots=True)
class DatumSetSpec:
    """How many datums go to a worker at once; zeros mean that the scheduler decides."""

    number: int = 0
    size_bytes: int = 0
    per_worker: int = 0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a request document asks to be done, beside what the pipeline is."""

    update: bool = False
    reprocess: bool = False
    dry_run: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Orders:
        """From a document that `spec_json.check` has made canonical."""
        return cls(
            bool(document.get("update")),
            bool(document.get("reprocess")),
            bool(document.get("dryRun")),
        )


@dataclass(frozen=True, slots=True)
class Spec:
    """A valid pipeline spec. `json` is the effective JSON that it was made of."""

    name: str
    project: str
    transform: Transform
    input: Input
    json: Json
    description: str = ""
    parallelism: int = 1
    output_branch: str = "master"
    datum_tries: int = 3
    datum_timeout_s: float | None = None
    job_timeout_s: float | None = None
    datum_set_spec: DatumSetSpec = DatumSetSpec()
    reprocess_spec: str = spec_checks.UNTIL_SUCCESS
    salt: str = ""
    autoscaling: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Spec:
        """Check an effective document, fields and values, and build its spec."""
        raw = _without_nulls(check(document, ROOT))
        for name in REQUEST_ONLY:
            if name != "specCommit":
                raw.pop(name, None)
        spec_checks.check_spec(raw)
        sets = raw.get("datumSetSpec", {})
        return cls(
            name=raw["pipeline"]["name"],
            project=_project_of(raw),
            transform=_transform(raw["transform"]),
            input=input_from_json(raw["input"], _project_of(raw)),
            json=raw,
            description=raw.get("description", ""),
            parallelism=int(raw.get("parallelismSpec", {}).get("constant", 0)) or 1,
            output_branch=raw.get("outputBranch") or "master",
            datum_tries=int(raw.get("datumTries", 0)) or 3,
            datum_timeout_s=seconds(raw.get("datumTimeout")),
            job_timeout_s=seconds(raw.get("jobTimeout")),
            datum_set_spec=DatumSetSpec(
                int(sets.get("number", 0)),
                int(sets.get("sizeBytes", 0)),
                int(sets.get("perWorker", 0)),
            ),
            reprocess_spec=raw.get("reprocessSpec") or spec_checks.UNTIL_SUCCESS,
            salt=raw.get("salt", ""),
            autoscaling=raw.get("autoscaling", False),
        )

    @property
    def skips(self) -> bool:
        """Whether datums that succeeded before may be skipped."""
        return self.reprocess_spec != spec_checks.EVERY_JOB

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"

    @property
    def output_repo(self) -> RepoKey:
        return RepoKey(self.project, self.name, USER)

    @property
    def meta_repo(self) -> RepoKey:
        return RepoKey(self.project, self.name, META)

    @property
    def spec_repo(self) -> RepoKey:
        return RepoKey(self.project, self.name, SPEC)

    @property
    def output(self) -> BranchKey:
        return BranchKey(self.output_repo, self.output_branch)

    @property
    def meta(self) -> BranchKey:
        return BranchKey(self.meta_repo, self.output_branch)

    @property
    def input_branches(self) -> tuple[BranchKey, ...]:
        """The input branches, sorted, each once: the output branch's provenance beside the spec."""
        return tuple(sorted({leaf.branch_key for leaf in self.input.leaves()}))

    @property
    def never_propagate(self) -> frozenset[BranchKey]:
        """Those input branches whose new commits start no job."""
        never = {leaf.branch_key for leaf in self.input.leaves() if leaf.never_propagate}
        return frozenset(
            never - {leaf.branch_key for leaf in self.input.leaves() if not leaf.never_propagate}
        )


def effective(
    user: Mapping[str, Any],
    project_defaults: Mapping[str, Any] | None = None,
    cluster_defaults: Mapping[str, Any] | None = None,
) -> Json:
    """The spec that counts: built-in ← cluster defaults ← project defaults ← user (RFC 7396).

    Defaults are `ClusterDefaults`/`ProjectDefaults` documents (`{"createPipelineRequest": …}`).
    Fields and types are checked, values are not: `Spec.from_json` does that.
    """
    merged = BUILT_IN
    for document, message in (
        (cluster_defaults or {}, CLUSTER_DEFAULTS),
        (project_defaults or {}, PROJECT_DEFAULTS),
    ):
        merged = merge(merged, check(document, message).get("createPipelineRequest") or {})
    merged = _without_nulls(merge(merged, check(user, ROOT)))
    for name in REQUEST_ONLY:
        if name != "specCommit":
            merged.pop(name, None)
    if isinstance(merged.get("pipeline"), dict):
        merged = merge({"pipeline": {"project": {"name": DEFAULT_PROJECT}}}, merged)
        if not merged["pipeline"]["project"].get("name"):
            merged["pipeline"]["project"]["name"] = DEFAULT_PROJECT
    return merged


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _project_of(raw: Mapping[str, Any]) -> str:
    return raw["pipeline"].get("project", {}).get("name") or DEFAULT_PROJECT


def _transform(raw: Mapping[str, Any]) -> Transform:
    return Transform(
        cmd=tuple(raw.get("cmd", ())),
        image=raw.get("image", ""),
        err_cmd=tuple(raw.get("errCmd", ())),
        env=dict(raw.get("env", {})),
        stdin=tuple(raw.get("stdin", ())),
        err_stdin=tuple(raw.get("errStdin", ())),
        accept_return_code=tuple(int(code) for code in raw.get("acceptReturnCode", ())),
        user=raw.get("user", ""),
        working_dir=raw.get("workingDir", ""),
        debug=raw.get("debug", False),
        memory_volume=raw.get("memoryVolume", False),
    )


def input_from_json(raw: Mapping[str, Any], project: str) -> Input:
    """Build an input tree, children sorted by name, from JSON that `check` made canonical.

    `project` is where repos are looked for that name none. Raises `InvalidArgument` or
    `Unimplemented` for what is wrong with it.
    """
    spec_checks.check_input(raw)
    return _input(raw, project)


def _input(raw: Mapping[str, Any], project: str) -> Input:
    if "pfs" in raw:
        return _pfs(raw["pfs"], project)
    kind = "cross" if raw.get("cross") else "union"
    children = tuple(
        sorted((_input(child, project) for child in raw[kind]), key=lambda child: child.sort_name)
    )
    return Cross(children) if kind == "cross" else Union(children)


def _pfs(raw: Mapping[str, Any], project: str) -> PfsInput:
    return PfsInput(
        name=raw.get("name") or raw["repo"],
        project=raw.get("project") or project,
        repo=raw["repo"],
        branch=raw.get("branch") or "master",
        glob=raw["glob"],
        repo_type=raw.get("repoType") or USER,
        lazy=raw.get("lazy", False),
        empty_files=raw.get("emptyFiles", False),
        reference=raw.get("reference", False),
        never_propagate=raw.get("propagationSpec", {}).get("never", False),
    )


def same_shape(old: Spec, new: Spec) -> bool:
    """Whether datums of `old` can be carried over to `new` by looking at what changed in the inputs
    alone: the same inputs, salt and skip rule."""
    return (
        _shape(old.input) == _shape(new.input) and old.salt == new.salt and old.skips and new.skips
    )


def _shape(input_: Input) -> object:
    if isinstance(input_, PfsInput):
        return input_
    children: Sequence[object] = [_shape(child) for child in input_.inputs]
    return type(input_).__name__, tuple(children)
