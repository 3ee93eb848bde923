"""Changes a setting, as an agent or a sweep does, and trains with it: tune.py SEED KEY=VALUE..."""

import json
import sys

import train


def change(settings):
    with open("config.json") as f:
        config = json.load(f)
    for text in settings:
        key, value = text.split("=", 1)
        config[key] = json.loads(value)
    with open("config.json", "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


if __name__ == "__main__":
    change(sys.argv[2:])
    print("accuracy %.2f" % train.train(int(sys.argv[1]), train.append)["accuracy"])
