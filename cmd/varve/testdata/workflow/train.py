"""Logistic regression on made-up data: small, real, and the same for the same seed on every machine."""

import json
import math
import os
import random
import sys

FEATURES = 6


def examples(seed, n):
    r = random.Random(seed)
    truth = [1.5, -2.0, 0.7, 0.0, 1.0, -0.5]
    out = []
    for _ in range(n):
        x = [r.gauss(0, 1) for _ in range(FEATURES)]
        out.append((x, 1 if sum(a * b for a, b in zip(x, truth)) + r.gauss(0, 0.5) > 0 else 0))
    return out


def predict(w, x):
    z = max(-50.0, min(50.0, sum(a * b for a, b in zip(w, x))))
    return 1 / (1 + math.exp(-z))


def evaluate(w, data):
    right = sum((predict(w, x) > 0.5) == (y == 1) for x, y in data)
    loss = -sum(math.log(max(1e-12, predict(w, x) if y else 1 - predict(w, x))) for x, y in data)
    return {"accuracy": 100.0 * right / len(data), "loss": loss / len(data)}


def train(seed, log):
    with open("config.json") as f:
        config = json.load(f)
    r = random.Random(seed)
    w = [r.gauss(0, 1) for _ in range(FEATURES)]
    data, held_out = examples("train", 200), examples("test", 500)
    for epoch in range(config["epochs"]):
        r.shuffle(data)
        for x, y in data:
            slope = y - predict(w, x)
            w = [a + config["lr"] * slope * b for a, b in zip(w, x)]
        values = evaluate(w, held_out)
        log(values, epoch + 1)
    os.makedirs("checkpoints", exist_ok=True)
    with open("checkpoints/model.json", "w") as f:
        json.dump({"seed": seed, "weights": w}, f)
    return values


def append(values, step):
    with open(os.environ["VARVE_METRICS"], "a") as f:
        f.write(json.dumps(dict(values, step=step)) + "\n")


if __name__ == "__main__":
    print("accuracy %.2f" % train(int(sys.argv[1]), append)["accuracy"])
