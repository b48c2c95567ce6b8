"""What a peer computes, in an environment of its own; started by ``peers.py``.

    python peer_workers.py NAME INPUTS.npz RESULTS.npz

Each line on standard input is one run, answered by its seconds; at the end of input the results of
the last run are written. Nothing of this project is imported here.
"""

from __future__ import annotations

import sys
import time

import numpy as np

WEFE_DRAWS = 1000


def wefe(given):
    """Return WEAT's effect size and p-value of every query."""
    from gensim.models import KeyedVectors
    from wefe.metrics import WEAT
    from wefe.query import Query
    from wefe.word_embedding_model import WordEmbeddingModel

    vectors = KeyedVectors(given["vectors"].shape[1])
    vectors.add_vectors([*map(str, given["words"])], given["vectors"])
    model = WordEmbeddingModel(vectors, "glove")
    sets = [[[*map(str, words)] for words in query] for query in given["queries"]]
    queries = [Query([x, y], [a, b]) for x, y, a, b in sets]

    def run():
        options = {"return_effect_size": True, "calculate_p_value": True}
        return [
            WEAT().run_query(query, model, p_value_iterations=WEFE_DRAWS, **options)
            for query in queries
        ]

    return run, lambda found: {
        name: [one[name] for one in found] for name in ("effect_size", "p_value")
    }


def fairlearn(given):
    """Return mean truth less mean score of every group and intersection."""
    import pandas as pd
    from fairlearn.metrics import MetricFrame

    groups = pd.DataFrame({name: given[name] for name in ("g", "t")})
    columns = (["g"], ["t"], ["g", "t"])

    def error(truth, score):
        return float(np.mean(truth - score))

    def run():
        return [
            MetricFrame(
                metrics=error, y_true=given["truth"], y_pred=given["scores"],
                sensitive_features=groups[names],
            ).by_group
            for names in columns
        ]  # fmt: skip

    def finish(found):
        names, values = [], []
        for keys, frame in zip(columns, found, strict=True):
            for key, value in frame.items():
                parts = key if isinstance(key, tuple) else (key,)
                names.append(" & ".join(f"{k}={v}" for k, v in zip(keys, parts, strict=True)))
                values.append(value)
        return {"names": names, "errors": values}

    return run, finish


def multicalibration(given):
    """Return scores of fresh rows, moved as Hebert-Johnson and others' algorithm was fitted."""
    from multicalibration import MulticalibrationPredictor

    options = {
        "alpha": 0.1, "lambda": 0.1, "max_iter": 30, "randomized": True, "use_oracle": False
    }  # fmt: skip

    def run():
        np.random.seed(0)  # noqa: NPY002 (the package draws from it)
        made = MulticalibrationPredictor("HKRR")
        made.fit(given["scores"], given["labels"], _members(given["g"], given["t"]), options)
        return made

    fresh = [set(rows) for rows in _members(given["fresh_g"], given["fresh_t"])]
    return run, lambda made: {"scores": made.predict(given["fresh_scores"], fresh)}


def _members(g, t):
    """Return the rows of every group and intersection."""
    single = [np.flatnonzero(x == k).tolist() for x in (g, t) for k in np.unique(x)]
    both = [
        np.flatnonzero((g == a) & (t == b)).tolist() for a in np.unique(g) for b in np.unique(t)
    ]
    return single + both


def mcgrad(given):
    """Return scores of fresh rows, moved as MCGrad was fitted."""
    import pandas as pd
    from mcgrad import methods

    columns = {"categorical_feature_column_names": ["g", "t"]}

    def frame(start):
        groups = {name: given[f"{start}{name}"].astype(str) for name in ("g", "t")}
        return pd.DataFrame({"f": given[f"{start}scores"], **groups})

    rows = frame("").assign(y=given["labels"])

    def run():
        return methods.MCGrad().fit(rows, "f", "y", **columns)

    return run, lambda made: {"scores": np.asarray(made.predict(frame("fresh_"), "f", **columns))}


def torchmetrics(given):
    """Return the mean CLIPScore of pictures and texts under towers that are given."""
    import torch
    from torchmetrics.functional.multimodal import clip_score

    pictures, texts, image_tower, text_tower = (
        torch.from_numpy(given[name]) for name in ("pictures", "texts", "image_tower", "text_tower")
    )

    class Towers(torch.nn.Module):
        config = None

        def get_image_features(self, pixels):
            return pixels.flatten(1) @ image_tower

        def get_text_features(self, rows, mask):
            return texts[rows] @ text_tower

    def processor(*, images=None, text=None, **options):
        if text is None:
            return {"pixel_values": torch.stack(images)}
        rows = torch.tensor([int(one) for one in text])
        return {"input_ids": rows, "attention_mask": torch.ones_like(rows)}

    names = [str(i) for i in range(len(texts))]
    return (
        lambda: clip_score(list(pictures), names, lambda: (Towers(), processor)),
        lambda score: {"score": float(score)},
    )


def main(name, inputs, results):
    answers, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no answer
    with np.load(inputs, allow_pickle=False) as file:
        run, finish = globals()[name](dict(file))
    made = None
    for _ in sys.stdin:
        start = time.perf_counter()
        made = run()
        print(time.perf_counter() - start, file=answers, flush=True)
    np.savez(results, **finish(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
