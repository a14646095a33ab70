"""Specs: what is accepted, what it becomes, and what is said about what is not."""

import json
from typing import Any

import pytest

from dassie.base import yaml_loader
from dassie.errors import InvalidArgument, Unimplemented
from dassie.pfs.model import BranchKey, RepoKey
from dassie.pps.spec import (
    Cross,
    DatumSetSpec,
    Orders,
    PfsInput,
    Spec,
    Union,
    effective,
    parse_documents,
    same_shape,
)
from dassie.pps.spec_json import check

EDGES = {
    "pipeline": {"name": "edges"},
    "transform": {"cmd": ["python3", "/edges.py"]},
    "input": {"pfs": {"repo": "images", "glob": "/*"}},
}


def pfs(repo: str, glob: str = "/*", **fields: Any) -> dict[str, Any]:
    return {"pfs": {"repo": repo, "glob": glob, **fields}}


def spec_of(**changes: Any) -> Spec:
    return Spec.from_json(effective({**EDGES, **changes}))


def refusal(**changes: Any) -> str:
    with pytest.raises(InvalidArgument) as caught:
        spec_of(**changes)
    return str(caught.value)


class TestDocuments:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"a": 1}', [{"a": 1}]),
            ('{"a": 1}{"b": 2}', [{"a": 1}, {"b": 2}]),
            ('{"a": 1}\n---\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
            ('[{"a": 1}, {"b": 2}]', [{"a": 1}, {"b": 2}]),
            ("a: 1", [{"a": 1}]),
            ("---\na: 1\n---\nb: 2\n...\n", [{"a": 1}, {"b": 2}]),
            ("- a: 1\n- b: 2\n", [{"a": 1}, {"b": 2}]),
            ("{a: 1, b: [x],}", [{"a": 1, "b": ["x"]}]),
            ("# only YAML has comments\na: &x {b: 1}\nc: *x\n", [{"a": {"b": 1}, "c": {"b": 1}}]),
            (
                "a: yes\nb: on\nc: 2024-01-01\nd: true\ne: 1.5\nf: ~\ng: 0x10\nh: 007",
                [
                    {
                        "a": "yes",
                        "b": "on",
                        "c": "2024-01-01",
                        "d": True,
                        "e": 1.5,
                        "f": None,
                        "g": 16,
                        "h": 7,
                    }
                ],
            ),
        ],
    )
    def test_forms(self, text: str, expected: list[Any]) -> None:
        assert parse_documents(text) == expected

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the text holds none"),
            (" \n---\n", "the text holds none"),
            ("3", "must be an object, not the number 3"),
            ('["x"]', 'must be an object, not the string "x"'),
            ('{"a": 1, "a": 2}', 'field "a" is given twice'),
            ("a: 1\nb: 2\na: 3\n", r'field "a" is given twice \(line 3\)'),
            ('{"a": ', r"malformed pipeline spec: .*line 1"),
            ("a: [", "malformed pipeline spec"),
            ("a: !!python/object/apply:os.system [ls]", "malformed pipeline spec"),
            ("[" * 100_000, "nested too deeply"),
            ("{a: " * 5_000, "nested too deeply"),
            ("a: " + "[" * 800 + "]" * 800, "nested too deeply"),
            ("- " * 3_000 + "a", "nested too deeply"),
            ("\n".join(" " * level + "a:" for level in range(200)), "nested too deeply"),
            ('{"a":' * 300 + "1" + "}" * 300, "nested too deeply: more than 100 levels"),
            ('{"a":' * 300 + "1" + "}" * 299 + ",", "nested too deeply"),
            ('{"a": NaN}', "NaN is not JSON"),
        ],
    )
    def test_refused(self, text: str, said: str) -> None:
        with pytest.raises(InvalidArgument, match=said):
            parse_documents(text)

    def test_aliases_do_not_expand_without_bound(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        with pytest.raises(InvalidArgument, match="more than"):
            parse_documents("\n".join(lines))

    def test_a_hundred_levels_are_enough(self) -> None:
        for text in ("[" * 99 + "{}" + "]" * 99, "- " * 99 + "{}"):
            with pytest.raises(InvalidArgument, match="must be an object, not a list"):
                parse_documents(text)

    def test_depth_is_noticed_before_the_rest_is_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scanned = 0

        class Counting(yaml_loader.SpecLoader):
            def fetch_flow_sequence_start(self) -> None:
                nonlocal scanned
                scanned += 1
                super().fetch_flow_sequence_start()

        monkeypatch.setattr(yaml_loader, "SpecLoader", Counting)
        with pytest.raises(InvalidArgument):
            parse_documents("a: " + "[" * 20_000)
        assert scanned < 110

    def test_an_alias_inside_itself(self) -> None:
        with pytest.raises(InvalidArgument):
            parse_documents("a: &a [*a]")


class TestFields:
    @pytest.mark.parametrize(
        ("document", "canonical"),
        [
            ({"datum_tries": 3}, {"datumTries": "3"}),
            ({"datumTries": "3"}, {"datumTries": "3"}),
            ({"datum_tries": 3.0}, {"datumTries": "3"}),
            ({"datum_tries": None}, {"datumTries": None}),
            ({"datum_timeout": "90s"}, {"datumTimeout": "90s"}),
            ({"job_timeout": "0.5s"}, {"jobTimeout": "0.5s"}),
            ({"transform": {"env": {"A": "b"}}}, {"transform": {"env": {"A": "b"}}}),
            ({"resource_limits": {"cpu": "0.5"}}, {"resourceLimits": {"cpu": 0.5}}),
            ({"resource_limits": {"cpu": 2}}, {"resourceLimits": {"cpu": 2.0}}),
            ({"tolerations": [{"operator": 1}]}, {"tolerations": [{"operator": "EXISTS"}]}),
            (
                {"tolerations": [{"effect": "NO_SCHEDULE", "toleration_seconds": 5}]},
                {"tolerations": [{"effect": "NO_SCHEDULE", "tolerationSeconds": "5"}]},
            ),
            ({"egress": {"URL": "s3://x"}}, {"egress": {"URL": "s3://x"}}),
            ({"service": {"internal_port": "80"}}, {"service": {"internalPort": 80}}),
            (
                {"input": {"cron": {"start": "2024-01-31T12:00:00Z"}}},
                {"input": {"cron": {"start": "2024-01-31T12:00:00Z"}}},
            ),
        ],
    )
    def test_protobuf_json(self, document: dict[str, Any], canonical: dict[str, Any]) -> None:
        assert check(document) == canonical
        assert check(canonical) == canonical

    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ({"tranform": {}}, 'unknown field "tranform"; did you mean "transform"?'),
            ({"Transform": {}}, 'unknown field "Transform"; did you mean "transform"?'),
            ({"datum-tries": 1}, 'unknown field "datum-tries"; did you mean "datum_tries"?'),
            ({"nonsense": 1}, 'unknown field "nonsense"'),
            (
                {"input": {"cross": [{"pfs": {}}, {"pfs": {"globb": "/"}}]}},
                'unknown field "globb" in input.cross[1].pfs; did you mean "glob"?',
            ),
            ({"update": "yes"}, 'update: true or false is expected, not the string "yes"'),
            ({"datum_tries": "many"}, "datum_tries: a whole number is expected"),
            ({"datum_tries": 1.5}, "datum_tries: a whole number is expected, not the number 1.5"),
            ({"datum_tries": True}, "datum_tries: a whole number is expected, not true"),
            ({"datum_tries": 1 << 63}, "datum_tries: 9223372036854775808 is out of range"),
            ({"parallelism_spec": {"constant": -1}}, "parallelism_spec.constant: -1 is out of"),
            ({"description": 5}, "description: a string is expected, not the number 5"),
            ({"transform": []}, "transform: an object is expected, not a list"),
            ({"transform": {"cmd": "ls"}}, "transform.cmd: a list is expected"),
            ({"transform": {"cmd": ["ls", None]}}, "transform.cmd[1]: a string is expected"),
            ({"transform": {"env": {"A": 1}}}, "transform.env.A: a string is expected"),
            ({"transform": {"env": {1: "a"}}}, "the name 1 must be a string"),
            ({"datum_timeout": "1m"}, 'datum_timeout: a number of seconds such as "90s"'),
            ({"datum_timeout": 90}, 'datum_timeout: a number of seconds such as "90s"'),
            ({"datum_timeout": "9" * 20 + "s"}, "out of range"),
            ({"tolerations": [{"operator": "IN"}]}, "tolerations[0].operator: one of EMPTY, EX"),
            ({"resource_limits": {"cpu": "lots"}}, "resource_limits.cpu: a number is expected"),
            ({"input": {"cron": {"start": "soon"}}}, "input.cron.start: a time such as"),
            ({"datumTries": 1, "datum_tries": 2}, 'field "datum_tries" is given twice'),
            ({"description": "\ud800"}, "description: the string is not valid Unicode"),
            ({5: 1}, "field names are strings"),
        ],
    )
    def test_refused(self, document: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidArgument) as caught:
            check(document)
        assert said in str(caught.value)


class TestEffective:
    def test_built_in_defaults(self) -> None:
        spec = spec_of()
        assert spec.transform.image == "ubuntu:20.04"
        assert (spec.output_branch, spec.datum_tries, spec.parallelism) == ("master", 3, 1)
        assert spec.project == "default"
        assert spec.skips

    def test_layers(self) -> None:
        merged = effective(
            {**EDGES, "datum_tries": 7},
            {"create_pipeline_request": {"datum_tries": 6, "description": "project's"}},
            {"createPipelineRequest": {"datumTries": 5, "description": "all", "salt": "s"}},
        )
        assert merged["datumTries"] == "7"
        assert merged["description"] == "project's"
        assert merged["salt"] == "s"

    def test_null_removes_and_false_overrides(self) -> None:
        cluster = {"createPipelineRequest": {"autoscaling": True, "resourceRequests": {"cpu": 4}}}
        merged = effective({**EDGES, "resource_requests": None, "autoscaling": False}, {}, cluster)
        assert "resourceRequests" not in merged
        assert merged["autoscaling"] is False
        nested = effective({**EDGES, "resource_requests": {"disk": None}}, {}, cluster)
        assert nested["resourceRequests"] == {"cpu": 4.0, "memory": "256Mi"}

    def test_lists_replace_and_hold_no_nulls(self) -> None:
        cluster = {"createPipelineRequest": {"transform": {"stdin": ["a", "b"]}}}
        merged = effective(
            {
                **EDGES,
                "transform": {"cmd": ["x"], "stdin": ["c"]},
                "input": {"cross": [{"pfs": {"repo": "r", "glob": "/", "name": None}}]},
            },
            None,
            cluster,
        )
        assert merged["transform"]["stdin"] == ["c"]
        assert merged["input"] == {"cross": [{"pfs": {"repo": "r", "glob": "/"}}]}

    def test_orders_are_not_stored(self) -> None:
        document = check({**EDGES, "update": True, "reprocess": True, "dry_run": True})
        assert Orders.of(document) == Orders(update=True, reprocess=True, dry_run=True)
        assert not {"update", "reprocess", "dryRun"} & effective(document).keys()

    def test_defaults_are_checked(self) -> None:
        with pytest.raises(InvalidArgument, match='unknown field "datumTrys" in createPipe'):
            effective(EDGES, {}, {"createPipelineRequest": {"datumTrys": 1}})

    def test_the_effective_document_is_a_fixed_point(self) -> None:
        spec = spec_of(datum_timeout="1.5s")
        assert Spec.from_json(json.loads(json.dumps(spec.json))) == spec


class TestSpec:
    def test_kubernetes_fields_are_kept(self) -> None:
        fields = {
            "schedulingSpec": {"nodeSelector": {"a": "b"}, "priorityClassName": "high"},
            "tolerations": [{"key": "gpu", "operator": "EXISTS"}],
            "podSpec": '{"a": 1}',
            "podPatch": '[{"op": "add"}]',
            "resourceLimits": {"gpu": {"type": "nvidia.com/gpu", "number": "1"}},
            "metadata": {"labels": {"team": "a"}},
        }
        assert spec_of(**fields).json.items() >= fields.items()

    def test_times_and_sets(self) -> None:
        spec = spec_of(datum_timeout="90s", job_timeout="0s", datum_set_spec={"number": 2})
        assert (spec.datum_timeout_s, spec.job_timeout_s) == (90.0, None)
        assert spec.datum_set_spec == DatumSetSpec(number=2)
        assert spec_of(datum_set_spec={}).datum_set_spec == DatumSetSpec()

    def test_inputs_are_sorted_and_filled_in(self) -> None:
        spec = spec_of(
            pipeline={"name": "p", "project": {"name": "team"}},
            input={"cross": [pfs("z"), {"union": [pfs("y"), pfs("b")]}, pfs("c", "/", name="a")]},
        )
        assert isinstance(spec.input, Cross)
        assert [child.sort_name for child in spec.input.inputs] == ["a", "b", "z"]
        assert isinstance(spec.input.inputs[1], Union)
        assert spec.input.inputs[0] == PfsInput(
            name="a", project="team", repo="c", branch="master", glob="/"
        )
        assert spec.input.json["cross"][0]["pfs"]["project"] == "team"
        assert check({"input": spec.input.json}) == {"input": spec.input.json}

    def test_provenance(self) -> None:
        never = {"propagation_spec": {"never": True}}
        spec = spec_of(
            input={
                "cross": [
                    pfs("a", name="x"),
                    pfs("a", name="y", **never),
                    pfs("b", branch="dev", project="o", **never),
                ]
            }
        )
        a = BranchKey(RepoKey("default", "a"), "master")
        b = BranchKey(RepoKey("o", "b"), "dev")
        assert spec.input_branches == (a, b)
        assert spec.never_propagate == {b}

    def test_shape(self) -> None:
        assert same_shape(spec_of(), spec_of(datum_tries=1, description="x"))
        assert not same_shape(spec_of(), spec_of(salt="x"))
        assert not same_shape(spec_of(), spec_of(reprocess_spec="every_job"))
        assert not same_shape(spec_of(), spec_of(input=pfs("images", "/")))


class TestRefusals:
    def test_a_transform_is_needed(self) -> None:
        assert "pipeline must specify a transform" in refusal(transform=None)
        assert "no command specified" in refusal(transform={"image": "x"})
        assert "pipeline must specify a transform" in refusal(transform={"cmd": []})

    @pytest.mark.parametrize("name", ["", "_x", "-x", "a b", "a/b", "ä", "x" * 64, "a.b"])
    def test_pipeline_names(self, name: str) -> None:
        assert "name" in refusal(pipeline={"name": name})

    def test_pipeline_missing(self) -> None:
        assert "pipeline must have a name" in refusal(pipeline=None)

    @pytest.mark.parametrize(
        ("input_", "said"),
        [
            (None, "no input set"),
            ({}, "no input set"),
            ({"cross": []}, "no input set"),
            ({"pfs": {}, "cross": [pfs("a")]}, "multiple input types set"),
            ({"pfs": {"glob": "/"}}, "input must specify a repo"),
            ({"pfs": {"repo": "a"}}, "input must specify a glob"),
            (pfs("out"), "must have name set explicitly"),
            (pfs("a", name="out"), 'input cannot be named "out"'),
            (pfs("a", name=".env"), 'input cannot be named ".env"'),
            (pfs("a", name="x/y"), "cannot name a folder"),
            (pfs("a", name=".."), "cannot name a folder"),
            (pfs("a", name="ü" * 128), "longer than 255 bytes"),
            (
                pfs("a", commit="0" * 32),
                "input cannot come from a commit; use a branch with head pointing to the commit",
            ),
            (pfs("a b"), "only alphanumeric characters, underscores, and dashes are allowed"),
            (pfs("a", "/{a"), "/{a"),
            (pfs("a", repo_type="other"), "is not a type of repo"),
            ({"cross": [pfs("a"), pfs("a")]}, 'name "a" was used more than once'),
            (
                {"cross": [{"union": [pfs("a"), pfs("b")]}, pfs("c", name="b")]},
                'name "b" was used more than once',
            ),
            ({"cross": [pfs("a"), {"union": []}]}, "no input set (input.cross[1])"),
            (pfs("edges"), "cannot have its own repo as input"),
            (pfs("edges", repo_type="meta"), "cannot have its own repo as input"),
        ],
    )
    def test_inputs(self, input_: Any, said: str) -> None:
        assert said in refusal(input=input_)

    def test_names_may_repeat_under_a_union(self) -> None:
        spec = spec_of(input={"union": [pfs("a"), pfs("b", name="a"), pfs("a", "/x")]})
        assert isinstance(spec.input, Union)

    def test_an_input_from_another_projects_repo_of_the_same_name(self) -> None:
        assert spec_of(input=pfs("edges", project="other"))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"reprocess_spec": "sometimes"}, 'invalid reprocess_spec "sometimes"'),
            ({"datum_tries": -1}, "datum_tries must not be negative"),
            ({"datum_timeout": "-1s"}, "datum_timeout must not be negative"),
            ({"output_branch": "a b"}, 'output branch name "a b"'),
            ({"datum_set_spec": {"number": -1}}, "must not be negative"),
            ({"datum_set_spec": {"number": 1, "per_worker": 1}}, "per_worker cannot be combined"),
            ({"pod_spec": "{"}, "malformed PodSpec"),
            ({"pod_patch": "{}"}, "malformed PodPatch"),
            ({"tolerations": [{"key": "x"}]}, "tolerations[0]: operator"),
            ({"tf_job": {}}, "embedding TFJobs in pipelines is not supported yet"),
            ({"transform": {"cmd": ["a\0b"]}}, "transform.cmd: a NUL"),
            ({"transform": {"cmd": ["a"], "env": {"A=B": "x"}}}, "cannot name an environment"),
            ({"transform": {"cmd": ["a"], "accept_return_code": [256]}}, "is not from 0 to 255"),
        ],
    )
    def test_settings(self, changes: dict[str, Any], said: str) -> None:
        assert said in refusal(**changes)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"egress": {}}, "egress"),
            ({"s3_out": True}, "s3_out"),
            ({"service": {"internal_port": 80}}, "service"),
            ({"spout": {}}, "spout"),
            ({"determined": {}}, "determined"),
            ({"transform": {"cmd": ["a"], "datum_batching": True}}, "transform.datum_batching"),
            ({"transform": {"cmd": ["a"], "secrets": [{"name": "s"}]}}, "transform.secrets"),
            ({"input": {"join": [pfs("a")]}}, "input.join"),
            ({"input": {"cross": [pfs("a"), {"group": [pfs("b")]}]}}, "input.cross[1].group"),
            ({"input": {"cron": {"name": "tick"}}}, "input.cron"),
            ({"input": pfs("a", "/", s3=True)}, "input.pfs.s3"),
            ({"input": pfs("a", trigger={})}, "input.pfs.trigger"),
        ],
    )
    def test_what_is_not_built_says_so(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(Unimplemented) as caught:
            spec_of(**changes)
        assert f'"{field}" is not implemented in Dassie yet' in str(caught.value)

    def test_unset_is_not_asked_for(self) -> None:
        assert spec_of(s3_out=False, spout=None, transform={"cmd": ["a"], "secrets": []})
