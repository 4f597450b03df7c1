"""The job of `jaxbm train --demo --preset classic` as a Keras user writes it.

Run by its path, so that nothing of ours is imported.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> None:
    import keras
    from sklearn.datasets import load_breast_cancer
    from sklearn.impute import SimpleImputer
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = load_breast_cancer(as_frame=True).frame.drop_duplicates()
    train, test = train_test_split(frame, test_size=0.2, stratify=frame["target"], random_state=0)
    preparation = make_pipeline(SimpleImputer(), StandardScaler())
    x = preparation.fit_transform(train.drop(columns="target")).astype("float32")
    x_test = preparation.transform(test.drop(columns="target")).astype("float32")
    y, y_test = train["target"].to_numpy("float32"), test["target"].to_numpy("float32")

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(width, activation="relu") for width in (64, 32)]
    model = keras.Sequential([keras.Input((x.shape[1],)), *layers, keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.summary()
    model.fit(x, y, batch_size=32, epochs=10, validation_split=0.2, verbose=2)
    for name, features, labels in (("train", x, y), ("test", x_test, y_test)):
        p = model.predict(features, verbose=0)[:, 0]
        chosen = p > 0.5
        figures = [log_loss(labels, p), accuracy_score(labels, chosen), balanced_accuracy_score(labels, chosen)]
        figures += [f1_score(labels, chosen), roc_auc_score(labels, p)]
        print(name, *(f"{figure:.4f}" for figure in figures))
    model.save("model.keras")


if __name__ == "__main__":
    main()
