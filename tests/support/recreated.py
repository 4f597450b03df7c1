"""Made-up tables in the shape of well-known ones: as they are found in files, and as a person would clean them."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Recreated(NamedTuple):
    """A table twice."""

    text: bytes
    """the file as it is found"""
    clean: pd.DataFrame
    """the same rows, cleaned by hand: identifiers and names gone, numbers as numbers, NaN for missing ones"""
    target: str


def _chance(rng, score):
    return rng.random(len(score)) < 1 / (1 + np.exp(-score))


def passengers(n=1200):
    """Names, tickets that families share, cabins mostly unknown, ages with holes."""
    rng = np.random.default_rng(1)
    family = np.sort(rng.integers(0, n // 2, n))
    cabin_class = rng.choice([1, 2, 3], n, p=[0.25, 0.2, 0.55])
    sex = rng.choice(["male", "female"], n, p=[0.62, 0.38])
    age = np.clip(rng.gamma(6, 5, n), 0.5, 80).round(1)
    fare = (rng.lognormal(4.3, 0.4, n) / cabin_class**1.2).round(4)
    port = rng.choice(["S", "C", "Q"], n, p=[0.7, 0.2, 0.1])
    score = 2.6 * (sex == "female") - 0.8 * (cabin_class - 2) - 0.035 * (age - 28) + 1.6 * (age < 9) - 1.3
    survived = _chance(rng, 1.4 * score).astype(int)
    known = rng.random(n) > 0.2
    first = np.asarray(["Anna", "Berta", "Carl", "Dora", "Emil", "Fritz"])[rng.integers(0, 6, n)]
    titles = np.where(sex == "male", "Mr.", "Mrs.")
    clean = pd.DataFrame(
        {"Pclass": cabin_class, "Sex": sex, "Age": np.where(known, age, np.nan), "Fare": fare, "Embarked": port}
    )
    messy = clean.assign(
        PassengerId=np.arange(1, n + 1),
        Name=[f"Family{f}, {t} {a} No{i}" for i, (f, t, a) in enumerate(zip(family, titles, first, strict=True))],
        Ticket=[f"A/5 {2000 + 7 * f}" if f % 3 else str(110000 + 13 * f) for f in family],
        Cabin=[f"C{i}" if rng.random() < 0.2 else None for i in range(n)],
        Survived=survived,
    )
    order = ["PassengerId", "Survived", "Pclass", "Name", "Sex", "Age", "Ticket", "Fare", "Cabin", "Embarked"]
    return Recreated(messy[order].to_csv(index=False).encode(), clean.assign(Survived=survived), "Survived")


def census(n=2500):
    """Spaces after the commas, unknown cells spelled ` ?`."""
    rng = np.random.default_rng(2)
    age = rng.integers(17, 80, n)
    work = rng.choice(["Private", "Self-emp", "State-gov", "Local-gov"], n, p=[0.7, 0.12, 0.08, 0.1])
    school = rng.integers(1, 17, n)
    job = rng.choice(["Sales", "Exec-managerial", "Craft-repair", "Tech-support", "Other-service"], n)
    hours = np.clip(rng.normal(40, 10, n), 5, 90).round()
    gain = np.where(rng.random(n) < 0.08, rng.lognormal(8.5, 0.8, n).round(), 0)
    score = 0.4 * (school - 10) + 0.05 * (hours - 40) - 0.003 * (age - 47) ** 2 + 1.4 * (job == "Exec-managerial")
    income = np.where(_chance(rng, score + 0.0004 * gain - 0.4), ">50K", "<=50K")
    clean = pd.DataFrame({"age": age, "workclass": work, "education-num": school, "occupation": job})
    for name in ("workclass", "occupation"):
        clean[name] = clean[name].mask(rng.random(n) < 0.06)
    clean = clean.assign(**{"capital-gain": gain, "hours-per-week": hours, "income": income})
    messy = clean.assign(fnlwgt=rng.integers(20_000, 500_000, n))
    rows = [", ".join("?" if value != value else str(value) for value in row) for row in messy.to_numpy(object)]
    return Recreated("\n".join([", ".join(messy.columns), *rows]).encode(), clean, "income")


def bank(n=2500):
    """Semicolons, everything quoted, decimal commas, 999 for "never"."""
    rng = np.random.default_rng(3)
    age, duration = rng.integers(18, 90, n), rng.gamma(1.5, 170, n).round()
    job = rng.choice(["admin.", "technician", "services", "retired", "unknown"], n)
    balance = rng.normal(1400, 2500, n).round(2)
    before = np.where(rng.random(n) < 0.1, rng.integers(1, 20, n), 999)
    rate = rng.choice([1.313, 4.12, 4.857, 4.963], n)
    score = 0.006 * (duration - 330) + 2.2 * (before < 999) - 0.6 * (rate - 3.5) + 0.0002 * balance - 0.8
    clean = pd.DataFrame({"age": age, "job": job, "duration": duration, "balance": balance, "pdays": before})
    clean = clean.assign(euribor=rate, y=np.where(_chance(rng, 1.3 * score), "yes", "no"))
    text = clean.to_csv(index=False, sep=";", decimal=",", quoting=1)
    return Recreated(text.encode(), clean, "y")


def credit(n=2500):
    """A running number, a customer's number, a surname."""
    rng = np.random.default_rng(4)
    clean = pd.DataFrame(
        {
            "CreditScore": rng.normal(650, 95, n).round().astype(int),
            "Geography": rng.choice(["France", "Spain", "Germany"], n, p=[0.5, 0.25, 0.25]),
            "Gender": rng.choice(["Female", "Male"], n),
            "Age": np.clip(rng.normal(39, 10, n), 18, 90).round().astype(int),
            "Balance": np.where(rng.random(n) < 0.35, 0, rng.normal(120_000, 30_000, n)).round(2),
            "NumOfProducts": rng.choice([1, 2, 3, 4], n, p=[0.5, 0.45, 0.03, 0.02]),
            "IsActiveMember": rng.integers(0, 2, n),
        }
    )
    score = 0.09 * (clean.Age - 39) - 1.2 * clean.IsActiveMember + 1.1 * (clean.Geography == "Germany")
    score += 3 * (clean.NumOfProducts > 2) - 1.2 * (clean.NumOfProducts == 2) + 0.5 * (clean.Gender == "Female") - 0.5
    clean["Exited"] = _chance(rng, 1.3 * score.to_numpy()).astype(int)
    names = [f"Sur{i}" for i in rng.integers(0, 900, n)]
    messy = clean.copy()
    messy.insert(0, "Surname", names)
    messy.insert(0, "CustomerId", rng.choice(np.arange(15_565_701, 15_815_690), n, replace=False))
    messy.insert(0, "RowNumber", np.arange(1, n + 1))
    return Recreated(messy.to_csv(index=False).encode(), clean, "Exited")


def housing(n=1500):
    """`NA` means that there is no pool, fence or garage; and that the width of a plot is unknown."""
    rng = np.random.default_rng(5)
    area, quality = rng.normal(1500, 450, n).clip(400).round(), rng.integers(2, 11, n)
    year = rng.integers(1900, 2011, n)
    pool = rng.choice(["NA", "Gd", "Ex"], n, p=[0.94, 0.03, 0.03])
    garage = rng.choice(["NA", "Attchd", "Detchd"], n, p=[0.1, 0.6, 0.3])
    front = rng.normal(70, 20, n).clip(20).round()
    price = 40 * area + 14_000 * quality + 350 * (year - 1950) + 50_000 * (pool != "NA") - 15_000 * (garage == "NA")
    price = (price + 250 * front + rng.normal(0, 12_000, n)).round()
    known = rng.random(n) > 0.17
    clean = pd.DataFrame({"GrLivArea": area, "OverallQual": quality, "YearBuilt": year, "PoolQC": pool})
    clean = clean.assign(GarageType=garage, LotFrontage=np.where(known, front, np.nan), SalePrice=price)
    messy = clean.assign(LotFrontage=["NA" if value != value else f"{value:.0f}" for value in clean.LotFrontage])
    messy.insert(0, "Id", np.arange(1, n + 1))
    return Recreated(messy.to_csv(index=False).encode(), clean, "SalePrice")


def sensors(n=2500):
    """Tabs, timestamps, `ERR` among the readings; alarms depend on the hour and the weekday."""
    rng = np.random.default_rng(6)
    when = pd.Timestamp("2023-01-02") + pd.to_timedelta(np.sort(rng.integers(0, 90 * 86_400, n)), unit="s")
    hour, weekday = when.hour + when.minute / 60, when.day_of_week
    heat, load = rng.normal(20, 5, n).round(2), rng.gamma(3, 2, n).round(3)
    score = 2.5 * np.cos((hour - 15) / 24 * 2 * np.pi) + 0.12 * (heat - 20) + 0.3 * (load - 6) - 1.5 * (weekday >= 5)
    alarm = np.where(_chance(rng, 1.5 * np.asarray(score)), "alarm", "ok")
    bad = rng.random(n) < 0.05
    clean = pd.DataFrame({"hour": hour, "weekday": weekday.astype(str), "load": load, "state": alarm})
    clean.insert(2, "heat", np.where(bad, np.nan, heat))
    messy = pd.DataFrame({"timestamp": when.strftime("%Y-%m-%d %H:%M:%S"), "load": load, "state": alarm})
    messy.insert(1, "heat", ["ERR" if b else f"{value:.2f}" for b, value in zip(bad, heat, strict=True)])
    return Recreated(messy.to_csv(index=False, sep="\t").encode(), clean, "state")


TABLES = {f.__name__: f for f in (passengers, census, bank, credit, housing, sensors)}
