"""The HTML report: what it says is what the run says, and a browser shows it without a complaint."""

import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import jaxbm
from jaxbm import report, table
from jaxbm.cli import main
from jaxbm.report import curves, pictures, study_parts

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(html.parser.HTMLParser):
    """The text of a page, its elements and what they refer to."""

    def __init__(self, path):
        super().__init__()
        self.text, self.references, self.ids, self.open, self.counts = [], [], [], [], {}
        self.feed(pathlib.Path(path).read_text())

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def check(path):
    """A page that stands alone, whose names are each given once."""
    page = Page(path)
    assert all(r.startswith("#") or r == "data:," for r in page.references)
    assert len(page.ids) == len(set(page.ids))
    assert {r[1:] for r in page.references if r.startswith("#")} <= set(page.ids)
    text = pathlib.Path(path).read_text()
    assert "\\math" not in text, "matplotlib's markup is shown as it stands"
    assert not re.search(r"#010[23]0", text), "a colour that stands for a variable was left"
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", text)) <= set(re.findall(r"(--[a-z0-9-]+):", text))
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    return page


def binary():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(np.int32)
    return {"training": (x[:200], y[:200]), "test": (x[200:], y[200:])}


def test_one_model(tmp_path):
    data, model = binary(), jaxbm.MLP((4, 8, 1))
    result = jaxbm.fit(
        jax.random.key(0), model, *data["training"], loss="sigmoid_binary_cross_entropy", epochs=20,
        optimizer=jaxbm.adam(1e-2), validation_split=0.2,
    )  # fmt: skip
    path = report.html(
        tmp_path / "r.html", result, data=data, model=model, task="binary", title="A <title> & more",
        timings={"train": 0.25, "steps a second": 12345.0}, command=["jaxbm", "train", "my data.csv"],
    )  # fmt: skip
    page = check(path)
    logits = jaxbm.predict(model, result.params, data["test"][0])[:, 0]
    decided, labels = logits > 0, data["test"][1] == 1
    assert f"{(decided == labels).mean():.4f}" in page.words
    for count in ((decided & labels).sum(), (~decided & ~labels).sum()):
        assert f" {count} " in page.words
    assert f"the best was epoch {int(result.best_epoch) + 1}." in page.words
    for words in ("A <title> & more", "250 ms", "12,345", "jaxbm train 'my data.csv'", f"jax {jax.__version__}"):
        assert words in page.words
    # The best column leads the importances: the last label on that axis.
    assert re.findall(r"x[0-3]\b", page.words.split("Importance of the columns")[1])[3] == "x0"
    assert page.counts["svg"] == 5


@pytest.mark.parametrize("members", [None, 5])
def test_regression(tmp_path, members):
    rows, target = table.demo("diabetes")
    train, test = table.split(rows, target)
    prep = table.prepare(train, target)
    data = {name: (prep.features(part), prep.labels(part)) for name, part in (("training", train), ("test", test))}
    model, options = jaxbm.MLP((len(prep.feature_names), 8, 1)), {"loss": "squared_error", "epochs": 5}
    if members is None:
        result = jaxbm.fit(jax.random.key(0), model, *data["training"], **options)
        predicted = prep.unscale(jaxbm.predict(model, result.params, data["test"][0])[:, 0])
    else:
        result = jaxbm.fit_members(jax.random.key(0), model, *data["training"], members=members, **options)
        predicted = prep.unscale(jaxbm.Ensemble.of(result).mean(data["test"][0])[:, 0])
    page = check(report.html(tmp_path / "r.html", result, data=data, model=model, preparation=prep))
    assert f"{np.abs(predicted - test[target]).mean():.4g}" in page.words
    assert all(step in page.words for step in (" ".join(s.split()) for s in prep.steps))
    assert ("5 members, 5 of them finite" in page.words) == (members is not None)


def test_the_commands_write_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep = "sweep --demo iris --trials 10 --epochs 3 --hidden 4 8 --out sweep --report s.html"
    assert main(sweep.split()) == 0
    page = check("s.html")
    assert "10 trials, 10 members; compared by loss" in page.words
    best = json.loads((tmp_path / "sweep/model/model.json").read_text())["metadata"]["trial"]
    assert f"{best['learning_rate']:.4f}" in page.words
    assert page.counts["button"] >= 8
    rows, _ = table.demo("iris")
    rows.assign(bed=["a", "b", "c"] * 50).to_csv("iris.csv", index=False)
    groups = "groups iris.csv --target target --group bed --epochs 3 --hidden 4 --out groups"
    assert main(groups.split()) == 0
    page = check("groups/report.html")
    assert "3 groups with a model of their own, 0 without" in page.words
    assert (
        main(
            [
                "train",
                "--demo",
                "iris",
                "--preset",
                "classic",
                "--epochs",
                "2",
                "--hidden",
                "4",
                "--out",
                "plain",
                "--no-report",
            ]
        )
        == 0
    )
    assert not (tmp_path / "plain/report.html").exists()
    assert main(["explain", "sweep/model", "iris.csv", "--repeats", "2"]) == 0
    assert "Partial dependence" in check("explanation.html").words
    assert "report in groups/report.html" in capsys.readouterr().out


def test_strange_names_stay_text(tmp_path):
    rows = table.from_arrays(
        np.random.default_rng(0).normal(size=(80, 2)), feature_names=["<b>$a$</b>", "b_{&} 日本"]
    )
    rows["<target>"] = np.where(rows["b_{&} 日本"] > 0, "<yes>", "$no$")
    prep = table.prepare(rows, "<target>")
    x, y = prep.features(rows), prep.labels(rows)
    model = jaxbm.MLP((2, 4, 1))
    result = jaxbm.fit(jax.random.key(0), model, x, y, loss="sigmoid_binary_cross_entropy", epochs=2)
    page = check(report.html(tmp_path / "r.html", result, data={"all": (x, y)}, model=model, preparation=prep))
    for words in ("<b>$a$</b>", "b_{&} 日本", "<yes>", "$no$"):
        assert words in page.words
    assert "b" not in page.counts
    pictures = page.words.split("Importance of the columns")[1].split("Data: what was read")[0]
    assert "<b>$a$</b>" in pictures
    assert "b_{&} 日本" in pictures


def test_bad_arguments(tmp_path):
    data, model = binary(), jaxbm.MLP((4, 1))
    result = jaxbm.fit(jax.random.key(0), model, *data["training"], loss="sigmoid_binary_cross_entropy", epochs=1)
    for options, match in (
        ({"data": data, "model": model}, "task: expected"),
        ({"data": data, "model": model, "task": "classes"}, "task: expected 'binary'"),
        ({"data": data, "task": "binary"}, "model: expected the architecture"),
        ({"data": {}, "model": model, "task": "binary"}, "data: expected at least one set"),
    ):
        with pytest.raises(ValueError, match=match):
            report.html(tmp_path / "r.html", result, **options)
    with pytest.raises(TypeError, match="result: expected that of fit"):
        report.html(tmp_path / "r.html", 3, data=data, model=model, task="binary")


def test_a_loss_over_several_orders_of_magnitude_has_plain_numbers():
    drawn = pictures.learning_curves({"loss": np.geomspace(1, 1e-4, 30)}, 29)
    shown = re.findall(r">([^<>]+)</text>", drawn)
    assert {"1", "0.01", "0.0001"} <= set(shown)
    assert not any("$" in words for words in shown)


def test_whole_epochs_are_whole_numbers():
    shown = study_parts._for_people(pd.DataFrame({"best_epoch": [5.0, 3.5, np.nan]}))["best_epoch"].tolist()
    assert shown[:2] == [5, 3.5]
    assert isinstance(study_parts._for_people(pd.DataFrame({"epochs_run": [3.0, np.nan]}))["epochs_run"][0], int)
    assert isinstance(shown[0], int)
    assert np.isnan(shown[2])


def test_curves_are_scikit_learn_s():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=200), 1)  # with many ties
    is_class = scores + rng.normal(size=200) > 0.3
    false, true, area = curves.roc(scores, is_class)
    for mine, theirs in zip(
        (false, true), metrics.roc_curve(is_class, scores, drop_intermediate=False), strict=False
    ):
        np.testing.assert_allclose(mine, theirs)
    assert area == pytest.approx(metrics.roc_auc_score(is_class, scores))
    recall, precision, average = curves.precision_recall(scores, is_class)
    their_precision, their_recall, _ = metrics.precision_recall_curve(is_class, scores)
    np.testing.assert_allclose(recall, their_recall)
    np.testing.assert_allclose(precision, their_precision)
    assert average == pytest.approx(metrics.average_precision_score(is_class, scores))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it(tmp_path, monkeypatch, width):
    monkeypatch.chdir(tmp_path)
    rows, _ = table.demo("iris")
    rows.assign(bed=[f"bed {i % 20}" for i in range(150)]).to_csv("iris.csv", index=False)
    command = "groups iris.csv --target target --group bed --epochs 2 --hidden 4 --min-rows 4 --out groups"
    assert main(command.split()) == 0
    # A frame of the wanted width tells what it sees: a browser's own window can't be as narrow as a phone.
    (tmp_path / "frame.html").write_text(f"""<iframe id=f src="groups/report.html" style="width:{width}px"></iframe>
    <pre id=told></pre><script>f.onload = () => {{
      const d = f.contentDocument, w = f.contentWindow, b = d.querySelectorAll("table.sortable th button");
      b[1].click(); b[1].click();
      const rows = [...d.querySelector("table.sortable").tBodies[0].rows], input = d.querySelector("input.filter");
      const sorted = rows.map((r) => Number(r.cells[1].dataset.value));
      input.value = "bed 19"; input.dispatchEvent(new Event("input"));
      told.textContent = JSON.stringify({{wide: d.documentElement.scrollWidth, inner: w.innerWidth, sorted,
        requests: w.performance.getEntriesByType("resource").length, shown: rows.filter((r) => !r.hidden).length,
        letters: Math.min(...[...d.querySelectorAll("svg text")].map((t) => t.getBoundingClientRect().height))}});
    }}</script>""")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    told = json.loads(re.search(r'<pre id="told">(.*?)</pre>', done.stdout).group(1))
    assert told["wide"] <= told["inner"], "the page scrolls sideways"
    assert told["requests"] == 0
    assert told["sorted"] == sorted(told["sorted"], reverse=True)
    assert told["shown"] == 1
    assert told["letters"] > 8
