"""Models that several processes or threads save into one folder at once, and what was never finished."""

import json
import os
import threading

import jax
import numpy as np
import pytest

import jaxbm

MODEL = jaxbm.MLP((3, 4, 1))


def old_params():
    return MODEL.init(jax.random.key(0))


def test_several_may_save_and_load_in_one_folder_at_once(tmp_path):
    """What is loaded was saved by one of them, whole, and one of them is there at the end."""
    told, folder = [], tmp_path / "m"
    filled = [jax.tree.map(lambda leaf, k=k: np.full_like(leaf, k), old_params()) for k in (1, 2, 3)]
    jaxbm.save(folder, MODEL, filled[0])

    def check():
        values = {float(v) for leaf in jax.tree.leaves(jaxbm.load(folder).params) for v in np.unique(leaf)}
        assert len(values) == 1
        assert values <= {1.0, 2.0, 3.0}

    def run(call):
        try:
            for _ in range(25):
                call()
        except BaseException as error:
            told.append(error)

    writers = [lambda params=params: jaxbm.save(folder, MODEL, params) for params in filled]
    threads = [threading.Thread(target=run, args=(call,)) for call in (*writers, check)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == []
    check()
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".safetensors"]


def test_what_was_never_finished_goes_when_it_is_old(tmp_path):
    jaxbm.save(tmp_path / "m", MODEL, old_params())
    young, old = (tmp_path / "m" / f"model.json.{name}.partial" for name in ("1-1", "2-2"))
    for path in (young, old):
        path.write_bytes(b"{")
    os.utime(old, (0, 0))
    jaxbm.save(tmp_path / "m", MODEL, old_params())
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize(("old", "new"), [("0.125", "0.625"), ("loss", "lose"), ("relu", "tanh")])
def test_a_changed_number_or_name_in_the_description_is_told(tmp_path, old, new):
    """Where all parts still fit together, it would be another model."""
    metadata = {"loss": "l2_loss", "rate": 0.125, "nothing": float("nan"), "by": {1: "ü"}}
    jaxbm.save(tmp_path / "m", MODEL, old_params(), metadata=metadata)
    path = tmp_path / "m" / "model.json"
    text = path.read_text()
    path.write_text(json.dumps(json.loads(text)))  # laid out otherwise
    assert jaxbm.load(tmp_path / "m").metadata["by"] == {"1": "ü"}
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"model\.json: damaged, its checksum is not that of what it says; copy it"):
        jaxbm.load(tmp_path / "m")
    path.write_text(json.dumps({k: v for k, v in json.loads(text).items() if k != "checksum"}))
    assert jaxbm.load(tmp_path / "m").metadata["rate"] == 0.125  # saved before there was one
