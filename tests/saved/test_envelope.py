"""Folders of saved models: older versions, damage, and what an interruption or a full disk leaves behind."""

import dataclasses
import datetime
import decimal
import hashlib
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save as pack

import jaxbm
from jaxbm.cli import main
from jaxbm.core import files
from jaxbm.models.registry import register
from jaxbm.saved import outputs

KEY = jax.random.key(0)
MODEL = jaxbm.MLP((2, 4, 1))
X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)


def old_params():
    return MODEL.init(KEY)


def named(params, prefix="", members=0):
    out = {}
    for i, layer in enumerate(params):
        for name in ("weight", "bias"):
            array = np.asarray(getattr(layer, name))
            out[f"{prefix}{i}.{name}"] = np.stack([array] * members) if members else array
    return out


def first_version(folder, file, arrays, **described):
    """A folder as the first version of the format was written."""
    folder.mkdir()
    data = pack(arrays)
    (folder / file).write_bytes(data)
    name = "model.json" if file.startswith("arrays") else "members.json"
    architecture = {field.name: getattr(MODEL, field.name) for field in dataclasses.fields(MODEL)}
    rest = {"version": 1, "sha256": hashlib.sha256(data).hexdigest(), "model": architecture, "preparation": None}
    (folder / name).write_text(json.dumps({**rest, "metadata": {"loss": "squared_error"}, **described}))


def test_the_first_version_is_read(tmp_path):
    params = old_params()
    first_version(tmp_path / "one", "arrays.safetensors", named(params), format="jaxbm")
    found = jaxbm.load(tmp_path / "one")
    assert found.model == MODEL
    assert found.metadata == {"loss": "squared_error"}
    np.testing.assert_array_equal(jaxbm.predict(MODEL, found.params, X), jaxbm.predict(MODEL, params, X))
    first_version(
        tmp_path / "many", "members.safetensors", named(params, members=3), format="jaxbm members", kind="ensemble",
        weights=None, temperature=1.0,
    )  # fmt: skip
    many = jaxbm.load_members(tmp_path / "many").predictor
    assert many.members == 3
    np.testing.assert_allclose(many.mean(X), jaxbm.predict(MODEL, params, X), rtol=1e-6)
    first_version(
        tmp_path / "groups", "members.safetensors", named(params, members=2) | named(params, "pooled."),
        format="jaxbm members", kind="groups", labels=["a", "b"], counts=[9, 5], too_small=["c"],
        too_small_counts=[1],
    )  # fmt: skip
    groups = jaxbm.load_members(tmp_path / "groups").predictor
    want = jaxbm.predict(MODEL, params, X)
    np.testing.assert_allclose(groups.predict(X, np.asarray(["b", "new"] * 10)), want, rtol=1e-6)


def test_saving_over_the_first_version_leaves_nothing_of_it(tmp_path):
    first_version(tmp_path / "m", "arrays.safetensors", named(old_params()), format="jaxbm")
    jaxbm.save(tmp_path / "m", MODEL, MODEL.init(jax.random.key(1)))
    assert sorted(path.suffix for path in (tmp_path / "m").iterdir()) == [".json", ".safetensors"]
    assert not (tmp_path / "m" / "arrays.safetensors").exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("write", [1, 2], ids=["arrays", "description"])
def test_an_interruption_leaves_the_old_model_whole(tmp_path, monkeypatch, stop, write):
    first, second = old_params(), MODEL.init(jax.random.key(1))
    jaxbm.save(tmp_path / "m", MODEL, first)
    real, calls = files.replace, []

    def failing(path, data):
        calls.append(path)
        if len(calls) == write:
            path.with_name(path.name + ".partial").write_bytes(data[: len(data) // 2])
            raise stop
        real(path, data)

    monkeypatch.setattr(files, "replace", failing)
    with pytest.raises((KeyboardInterrupt, OSError)):
        jaxbm.save(tmp_path / "m", MODEL, second)
    monkeypatch.undo()
    kept = jaxbm.load(tmp_path / "m").params
    np.testing.assert_array_equal(jaxbm.predict(MODEL, kept, X), jaxbm.predict(MODEL, first, X))
    jaxbm.save(tmp_path / "m", MODEL, second)
    kept = jaxbm.load(tmp_path / "m").params
    np.testing.assert_array_equal(jaxbm.predict(MODEL, kept, X), jaxbm.predict(MODEL, second, X))
    assert len(list((tmp_path / "m").glob("*.safetensors"))) == 1


def test_a_first_saving_that_was_interrupted_can_be_made_again(tmp_path, monkeypatch):
    real = files.replace

    def failing(path, data):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(files, "replace", failing)
    with pytest.raises(KeyboardInterrupt):
        jaxbm.save(tmp_path / "m", MODEL, old_params())
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r"model\.json: no such file; expected a folder that jaxbm saved"):
        jaxbm.load(tmp_path / "m")
    jaxbm.save(tmp_path / "m", MODEL, old_params())
    assert jaxbm.load(tmp_path / "m").model == MODEL


def saved_kinds(folder):
    jaxbm.save(folder / "one", MODEL, old_params())
    params = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), old_params())
    jaxbm.save_members(folder / "many", jaxbm.Ensemble(MODEL, params))
    return {"one": (jaxbm.load, "model.json"), "many": (jaxbm.load_members, "members.json")}


@pytest.mark.parametrize("kind", ["one", "many"])
def test_damage_is_told_in_one_line_that_says_what_to_do(tmp_path, kind):
    load, name = saved_kinds(tmp_path)[kind]
    folder, text = tmp_path / kind, (tmp_path / kind / name).read_text()
    good = json.loads(text)
    del good["checksum"]  # as older files, so that the rest is looked at
    unknown = good | {"model": {"kind": "Mine"}}
    for bad, match in (
        (text[:-9], "damaged, not readable as JSON; save the model again"),
        ("\x00\xff", "damaged, not readable as JSON"),
        ("[]", "got some other JSON file; choose another folder"),
        (json.dumps(good | {"format": "other"}), "that jaxbm saved, got some other JSON file"),
        (json.dumps(good | {"version": 3}), "expected format version 1 to 2, got 3; install the version of jaxbm"),
        (json.dumps(good | {"version": None}), "expected format version 1 to 2, got None"),
        (json.dumps({k: v for k, v in good.items() if k != "sha256"}), r"damaged, lacks \['sha256'\]"),
        (json.dumps(good | {"model": {"kind": "MLP", "sizes": [3, 4, 1]}}), "its parts do not fit together"),
        (json.dumps(good | {"model": {"kind": "MLP", "sizes": [2, 4, 1, 1]}}), "expected an array"),
        (json.dumps(good | {"model": 3}), "its parts do not fit together"),
        (json.dumps(unknown), "holds a model of the class 'Mine'; import the module"),
        (
            json.dumps(good | {"arrays": "../" + good["arrays"] + "x"}),
            "no such file; copy it from where it was saved",
        ),
    ):
        (folder / name).write_text(bad, encoding="latin-1")
        with pytest.raises((ValueError, FileNotFoundError), match=match) as error:
            load(folder)
        assert "\n" not in str(error.value)
        assert str(folder) in str(error.value)
    (folder / name).write_text(text)
    load(folder)


def test_members_without_what_makes_them_members(tmp_path):
    saved_kinds(tmp_path)
    path = tmp_path / "many" / "members.json"
    good = json.loads(path.read_text())
    del good["checksum"]
    for bad, match in (
        ({k: v for k, v in good.items() if k != "kind"}, "lacks 'kind'"),
        (good | {"kind": "trees"}, "expected 'ensemble' or 'groups', got 'trees'"),
        (good | {"weights": [1.0]}, "weights: expected"),
    ):
        path.write_text(json.dumps(bad))
        with pytest.raises(ValueError, match=f"damaged, its parts do not fit together.*{match}"):
            jaxbm.load_members(tmp_path / "many")


def test_a_folder_of_the_other_kind_is_named(tmp_path):
    ensemble = jaxbm.Ensemble(MODEL, jax.tree.map(lambda a: np.stack([a, a]), old_params()))
    jaxbm.save_members(tmp_path / "m", ensemble)
    with pytest.raises(ValueError, match="m holds a saved ensemble, and not a saved model; choose another folder"):
        jaxbm.save(tmp_path / "m", MODEL, old_params())
    assert jaxbm.load_members(tmp_path / "m").predictor.members == 2
    jaxbm.save(tmp_path / "one", MODEL, old_params())
    with pytest.raises(ValueError, match="one holds a saved model, and not saved members; choose"):
        jaxbm.save_members(tmp_path / "one", ensemble)
    (tmp_path / "stopped" / "unfinished").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"holds a run of many members that was stopped.*start that command again"):
        jaxbm.save(tmp_path / "stopped", MODEL, old_params())


def test_what_does_not_belong_to_a_saved_model_is_left_alone(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something that is not a saved model; choose another folder"):
        jaxbm.save(tmp_path / "m", MODEL, old_params())
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"
    (tmp_path / "m" / "notes.txt").unlink()
    jaxbm.save(tmp_path / "m", MODEL, old_params())
    (tmp_path / "m" / "notes.txt").write_text("mine")
    jaxbm.save(tmp_path / "m", MODEL, MODEL.init(jax.random.key(2)))
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"


def test_parameters_of_another_model_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="params: expected"):
        jaxbm.save(tmp_path / "m", jaxbm.MLP((2, 5, 1)), old_params())
    assert not (tmp_path / "m").exists()


def test_a_model_saved_without_its_loss(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = "\n".join(f"{a:.3f},{b:.3f},{a + b:.3f}" for a, b in rng.normal(size=(60, 2)))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n0.1,0.2,\n")
    assert (
        main(
            ["train", "t.csv", "--target", "y", "--preset", "classic", "--hidden", "4", "--epochs", "1", "--out", "m"]
        )
        == 0
    )
    found = jaxbm.load("m")
    jaxbm.save("m", found.model, found.params, preparation=found.preparation)
    capsys.readouterr()
    assert main(["evaluate", "m", "t.csv"]) == 2
    assert (
        "loss: expected it in the saved model's metadata, got none; save it with metadata=" in capsys.readouterr().err
    )
    told = outputs.outputs_of("m", "t.csv", labelled=True)
    assert told.left_out == 1
    assert capsys.readouterr().out == ""
    assert main(["predict", "m", "t.csv", "--out", "p.csv"]) == 0
    shutil.rmtree("m")


@register
@dataclasses.dataclass(frozen=True)
class Odd(jaxbm.Model):
    """Parameters of every form that a pytree may have."""

    tree: str
    input_shape: tuple[int, ...] = (2,)
    n_outputs: int = 1

    def init(self, key):
        trees = {
            "forms": {"a.b/c \u00fc\n": jnp.ones(()), "": jnp.zeros((0, 3)), "n": None, "whole": jnp.int32(3),
                      "k": [jnp.full((2, 1), jnp.nan, jnp.bfloat16)], "flag": jnp.asarray(True),
                      "bits": jnp.arange(3, dtype="uint16")},
            "same": {"a": {"b": jnp.ones(2)}, "a.b": jnp.zeros(2)},
            "key": {"key": jax.random.key(3)},
        }  # fmt: skip
        return trees[self.tree]

    def apply(self, params, x):
        return x[:, :1]


def test_parameters_of_every_form_come_back_as_they_were(tmp_path):
    narrow, forms = jaxbm.MLP((2, 4, 1), param_dtype="bfloat16"), Odd("forms")
    cases = [
        (forms, forms.init(KEY)),
        (narrow, narrow.init(KEY)),
        (narrow, jax.tree.map(lambda leaf: leaf.astype(jnp.float32) / 3, narrow.init(KEY))),  # another precision
        (MODEL, jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), MODEL.init(KEY))),
        (MODEL, jax.tree.map(lambda leaf: np.asfortranarray(leaf + np.float32(np.inf)), MODEL.init(KEY))),
    ]
    for model, params in cases:
        jaxbm.save(tmp_path / "m", model, params)
        found = jaxbm.load(tmp_path / "m").params
        assert jax.tree.structure(found) == jax.tree.structure(params)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
            assert (a.shape, a.dtype, np.asarray(a).tobytes()) == (b.shape, b.dtype, np.asarray(b).tobytes())
    with pytest.raises(ValueError, match=r"params: expected places of different names, .* called 'a\.b'"):
        jaxbm.save(tmp_path / "s", Odd("same"), Odd("same").init(KEY))
    with pytest.raises(TypeError, match=r"params: expected numbers for key, got dtype key<fry>"):
        jaxbm.save(tmp_path / "s", Odd("key"), Odd("key").init(KEY))


OBJECTS = [
    [datetime.date(2020, 1, 2), datetime.date(2021, 1, 1)],
    [datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC), datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)],
    [decimal.Decimal("1.10"), decimal.Decimal(2)],
    [True, False],
    [b"p", b"\xff"],
]


@pytest.mark.parametrize(
    "labels", [["2020-01-01", "2021-01-01"], [b"x", b"\xff"], [1.5, 2.5], [2**60, 3], *OBJECTS], ids=str
)
def test_groups_of_any_labels_come_back(tmp_path, labels):
    kind = object if labels in OBJECTS else "datetime64[D]" if "2020" in str(labels) else None
    labels = np.asarray(labels, kind)
    groups = labels[np.arange(20) % 2]
    found = jaxbm.fit_groups(KEY, MODEL, X, X[:, 0], groups, loss="squared_error", epochs=1, min_rows=5)
    jaxbm.save_members(tmp_path / "g", found)
    again = jaxbm.load_members(tmp_path / "g").predictor
    assert again.labels.dtype == (bool if labels[0] is True else found.labels.dtype)
    assert again.labels.tolist() == found.labels.tolist()
    np.testing.assert_array_equal(again.predict(X, groups), found.predict(X, groups))


def test_an_ensemble_of_numpy_numbers_is_saved(tmp_path):
    many = jaxbm.fit_members(KEY, MODEL, X, X[:, 0], members=2, loss="squared_error", epochs=1)
    assert many._replace(opt_state=None).member(1).opt_state is None
    given = {"temperature": np.float32(2), "bounds": np.asarray([0, 1], np.float32), "weights": np.asarray([1, 3])}
    jaxbm.save_members(tmp_path / "e", jaxbm.Ensemble(MODEL, many.params, **given))
    found = jaxbm.load_members(tmp_path / "e").predictor
    assert (found.temperature, found.bounds, found.weights.tolist()) == (2.0, (0.0, 1.0), [0.25, 0.75])


def test_a_configuration_that_is_anything_else(tmp_path):
    jaxbm.save(tmp_path / "m", MODEL, MODEL.init(KEY))
    path = tmp_path / "m" / "model.json"
    good = json.loads(path.read_text())
    del good["checksum"]
    texts = ["1" * 5000, "[" * 100_000, "[]"]
    texts += [json.dumps(good | change) for change in (
        {"version": True}, {"version": "2"}, {"version": 3}, {"model": {"kind": [1]}}, {"model": None},
        {"metadata": 3}, {"preparation": 3}, {"sha256": 3},
    )]  # fmt: skip
    for text in texts:
        path.write_text(text)
        with pytest.raises(ValueError, match=r"model\.json: |damaged"):
            jaxbm.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("s3://bucket/model", "expected a path on this machine, got an address"),
        ("file:///tmp/model", "expected a path on this machine, got an address"),
        ("a\0b", "expected a path on this machine, got a null character in it"),
        ("model.onnx", "expected a folder's name, got 'model.onnx'; .*, not as a file of ONNX"),
        ("model.PKL", "expected a folder's name, got 'model.PKL'; .*, not as a file of pickle"),
        ("model.safetensors", "expected .*, not as a file of safetensors"),
    ],
)
def test_a_folder_is_on_this_machine_and_called_what_it_is(name, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    params, (kind, as_option) = MODEL.init(KEY), ("folder: ", "error: --out: ")
    with pytest.raises(ValueError, match=kind + told):
        jaxbm.save(name, MODEL, params)
    with pytest.raises(ValueError, match=kind + told):
        jaxbm.save_members(name, jaxbm.Ensemble(MODEL, jax.tree.map(lambda p: p[None], params)))
    if "." not in name:
        with pytest.raises(ValueError, match=kind + told):
            jaxbm.load(name)
    assert main(["train", "--demo", "--out", name]) == 2  # before the work
    assert re.search(as_option + told, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_may_be_called_anything(tmp_path):
    (tmp_path / "old.h5").mkdir()
    jaxbm.save(tmp_path / "old.h5", MODEL, MODEL.init(KEY))
    jaxbm.save(tmp_path / "model.v2", MODEL, MODEL.init(KEY))


def test_members_are_saved_as_an_ensemble(tmp_path):
    result = jaxbm.fit_members(KEY, MODEL, X, X[:, 0], members=2, loss="squared_error", epochs=1)
    with pytest.raises(TypeError, match=r"got MembersResult; jaxbm\.Ensemble\.of makes one of it"):
        jaxbm.save_members(tmp_path / "m", result)
