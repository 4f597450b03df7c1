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
from support.children import HANGS

import jaxbm
from jaxbm import report, table
from jaxbm.cli import main
from jaxbm.report import curves, page, pictures, study_parts

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
    assert all(" ".join(step.replace("->", "\N{RIGHTWARDS ARROW}").split()) in page.words for step in prep.steps)
    assert ("5 members, 5 of them finite" in page.words) == (members is not None)


def test_the_commands_write_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep = "sweep --demo iris --trials 10 --epochs 3 --hidden 4 8 --out sweep --report s.html"
    assert main(sweep.split()) == 0
    page = check("s.html")
    assert "10 trials, 10 members; compared by loss" in page.words
    assert re.search(r"implementation: \w+, since", page.words)
    best = json.loads((tmp_path / "sweep/model/model.json").read_text())["metadata"]["trial"]
    assert f"{best['learning_rate']:.4f}" in page.words
    assert page.counts["button"] >= 8
    rows, _ = table.demo("iris")
    rows.assign(bed=["a", "b", "c"] * 50).to_csv("iris.csv", index=False)
    groups = "groups iris.csv --target target --group bed --epochs 3 --hidden 4 --out groups"
    assert main(groups.split()) == 0
    page = check("groups/report.html")
    assert "3 groups with a model of their own, 0 without" in page.words
    assert re.search(r"implementation: \w+, since", page.words)
    plain = "train --demo iris --preset classic --epochs 2 --hidden 4 --out plain --no-report"
    assert main(plain.split()) == 0
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
        (
            {"data": {"a": data["test"][:1]}, "model": model, "task": "binary"},
            r"data\['a'\]: expected \(x, y\), got 1",
        ),
        ({"data": {"a": (np.ones((3, 4)), np.ones(2))}, "model": model, "task": "binary"}, r"shapes \[3, 4\], \[2\]"),
        (
            {"data": {"a": (np.ones((3, 4), "f"), [0, 5, 1])}, "model": model, "task": "binary"},
            "0 to 1 as labels, got 0",
        ),
        (
            {"data": {"a": (np.ones((3, 4), "f"), np.ones((3, 2)))}, "model": model, "task": "regression"},
            r"or \[n, 1\]",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            report.html(tmp_path / "r.html", result, **options)
    with pytest.raises(TypeError, match="result: expected that of fit"):
        report.html(tmp_path / "r.html", 3, data=data, model=model, task="binary")
    with pytest.raises(TypeError, match="data: expected"):
        report.html(tmp_path / "r.html", result, data=list(data.values()), model=model, task="binary")


def colours():
    """The page's colours, in the light and in the dark."""
    css = (pathlib.Path(report.__file__).parent / "static/report.css").read_text()
    light, dark = (dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", part)) for part in css.split("@media")[:2])
    return {"light": light, "dark": light | dark}


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out(scheme):
    """The contrast that WCAG 2.2 asks for: 4.5 for words, 3 for lines."""
    found = colours()[scheme]
    for name, least in [("ink", 4.5), ("soft", 4.5), ("faint", 3), *((f"series-{i}", 3) for i in range(10))]:
        for behind in ("paper", "ground"):
            light, dark = sorted((luminance(found[name]), luminance(found[behind])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= least, (name, behind)


def test_many_classes_with_long_names():
    labels = np.repeat(np.arange(300), 2)
    labels[:40] = 7  # the largest, and some have no rows
    p = np.random.default_rng(0).dirichlet(np.ones(300), len(labels))
    names = [f"a class of which the name is long, number {i}" for i in range(300)]
    shown = pictures.classification(p, labels, names)
    assert shown[0][0] == "ROC curve, the 10 largest of 300 classes"
    assert "ber 7:" in shown[0][1]
    assert names[7] not in shown[0][1]
    counts = np.diag(np.full(300, 2))
    assert page._confused(counts, names) == ""
    counts[7, 3], counts[5, 4] = 6, 1
    told = re.findall(r"<td[^>]*>(.*?)</td>", page._confused(counts, names))
    assert told == [names[7], names[3], "6", "75%", names[5], names[4], "1", "33%"]


def test_curves_of_members_end_where_half_of_them_do():
    loss = np.geomspace(1, 0.5, 40) * np.ones((4, 1))
    loss[1:, 10:] = np.nan  # one trains on, and is no sample of the four
    drawn = pictures.learning_curves({"loss": loss, "val_loss": loss}, None)
    shown = [float(words) for words in re.findall(r">([0-9.]+)</text>", drawn)]
    assert 10 in shown
    assert max(shown) < 20


def test_names_are_told_apart_and_fit():
    names = [f"a name of which only the end says what it is, number {i}" for i in range(2)]
    drawn = pictures.importance(names, np.ones(2), np.zeros(2), "log loss gained")
    shown = [words for words in re.findall(r">([^<>]+)</text>", drawn) if "…" in words]
    assert len(set(shown)) == 2
    assert max(map(len, shown)) <= 30
    drawn = pictures.distribution(np.arange(9.0), names[0] * 3)
    assert max(map(len, re.findall(r">([^<>]+)</text>", drawn))) < 60


def test_a_regression_of_several_quantities(tmp_path):
    x, _ = binary()["training"]
    y = np.stack([x[:, 0], -2 * x[:, 1]], axis=1)
    model = jaxbm.MLP((4, 2))
    result = jaxbm.fit(jax.random.key(0), model, x, y, loss="squared_error", epochs=1)
    words = check(
        report.html(tmp_path / "r.html", result, data={"all": (x, y)}, model=model, task="regression")
    ).words
    error = np.abs(jaxbm.predict(model, result.params, x) - y).mean(axis=0)
    for i in range(2):
        assert f"Results on all rows, output {i}" in words
        assert f"{error[i]:.4f}" in words


def test_groups_without_any_model(tmp_path):
    x, y = binary()["test"]
    labels = np.arange(len(x)) // 2
    result = jaxbm.fit_groups(jax.random.key(0), jaxbm.MLP((4, 1)), x, y, labels, min_rows=5,
                              loss="sigmoid_binary_cross_entropy")  # fmt: skip
    page = check(report.html(tmp_path / "r.html", result, data={"test": (x, y, labels)}, task="binary"))
    assert "0 groups with a model of their own, 50 without." in page.words


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


def test_counts_are_whole_numbers_and_factors_of_an_axis_are_beside_its_name():
    shown = re.findall(r">([^<>]+)</text>", pictures.distribution(np.asarray([1e7, 1.5e7, 2e7]), "price"))
    assert shown.count("price (1e7)") == 1
    assert not {"1e7", "0.2", "0.25", "0.5", "0.75"} & set(shown)
    once = re.findall(r">([^<>]+)</text>", pictures.learning_curves({"loss": np.ones(1)}, None))
    assert next(text for text in once if text in ("0.8", "1", "1.0", "1.2")) == "1"  # the epoch


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


@pytest.fixture(scope="module")
def groups_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    rows, _ = table.demo("iris")
    rows.assign(bed=[f"bed {i % 20}" for i in range(150)]).to_csv(folder / "iris.csv", index=False)
    command = (
        f"groups {folder}/iris.csv --target target --group bed --epochs 2 --hidden 4 --min-rows 4 --out {folder}/out"
    )
    assert main(command.split()) == 0
    return folder / "out/report.html"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it(tmp_path, groups_page, width):
    # A frame of the wanted width tells what it sees: a browser's own window can't be as narrow as a phone.
    (
        tmp_path / "frame.html"
    ).write_text(f"""<iframe id=f src="{groups_page.as_uri()}" style="width:{width}px"></iframe>
    <pre id=told></pre><script>f.onload = () => {{
      const d = f.contentDocument, w = f.contentWindow, b = d.querySelectorAll("table.sortable th button");
      b[1].focus();  // a button of the keyboard's too: Tab reaches it, Enter and the space bar press it
      const reached = d.activeElement === b[1] && b[1].tabIndex === 0 && b[1].tagName === "BUTTON";
      b[1].click(); b[1].click();
      const rows = [...d.querySelector("table.sortable").tBodies[0].rows], input = d.querySelector("input.filter");
      const sorted = rows.map((r) => Number(r.cells[1].dataset.value));
      input.value = "bed 19"; input.dispatchEvent(new Event("input"));
      told.textContent = JSON.stringify({{reached, order: b[1].parentElement.getAttribute("aria-sort"),
        wide: d.documentElement.scrollWidth, inner: w.innerWidth, sorted,
        requests: w.performance.getEntriesByType("resource").length, shown: rows.filter((r) => !r.hidden).length,
        letters: Math.min(...[...d.querySelectorAll("svg text")].map((t) => t.getBoundingClientRect().height))}});
    }}</script>""")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=HANGS,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    told = json.loads(re.search(r'<pre id="told">(.*?)</pre>', done.stdout).group(1))
    assert told["wide"] <= told["inner"], "the page scrolls sideways"
    assert told["requests"] == 0
    assert told["reached"]
    assert told["order"] == "descending"
    assert told["sorted"] == sorted(told["sorted"], reverse=True)
    assert told["shown"] == 1
    assert told["letters"] > 8
