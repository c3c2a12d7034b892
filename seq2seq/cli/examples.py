"""Examples of every command, as `--help` shows them."""

EXAMPLES = {
    "start": [
        "seq2seq start sentences.xlsx",
        "seq2seq start data/pairs --source en --target x-mine --name mine",
    ],
    "train": [
        "seq2seq train quickstart",
        "seq2seq train multi30k-en-de -o data.path=data/multi30k --output runs/m30k",
        "seq2seq train chain/quickstart",
    ],
    "doctor": ["seq2seq doctor quickstart -o train.batch_tokens=8192"],
    "translate": [
        'echo "The old man buys a red car." | seq2seq translate runs/quickstart',
        "seq2seq translate runs/quickstart in.txt --output out.txt --resume",
        "seq2seq translate runs/quickstart in.jsonl --field en --n-best 3",
    ],
    "evaluate": [
        "seq2seq evaluate runs/quickstart --split test",
        "seq2seq evaluate --hypothesis out.de --reference test.de --language de",
    ],
    "report": ["seq2seq report runs/quickstart --output report"],
    "compare": [
        "seq2seq compare runs/a runs/b",
        "seq2seq compare a.de b.de --reference test.de --language de",
    ],
    "label": [
        "seq2seq label runs/lecture/brown in.txt --output tags.txt",
        "seq2seq label runs/lecture/reviews in.txt --format jsonl",
    ],
    "caption": ["seq2seq caption runs/lecture/emoji pictures.npy"],
    "sample": [
        "seq2seq sample runs/lecture/hello --prompt h --greedy",
        "seq2seq sample runs/lecture/shakespeare --prompt ROMEO: --lines 20",
    ],
    "score": ["seq2seq score runs/quickstart --source in.txt --target out.txt"],
    "rerank": ["seq2seq rerank n-best.txt --language-model runs/lm --lm-weight 0.1"],
    "heatmap": [
        'seq2seq heatmap runs/quickstart "The dog sleeps." --output attention.svg'
    ],
    "average": ["seq2seq average runs/a runs/b --output runs/mean"],
    "distill": ["seq2seq distill runs/quickstart data/distilled --beam 4"],
    "export": [
        "seq2seq export runs/quickstart --to phrasebook-en-de --license mit",
        "seq2seq export runs/quickstart --engine onnx --int8",
    ],
    "push": [
        "seq2seq push phrasebook-en-de user/phrasebook-en-de --dry-run",
        "seq2seq push phrasebook-en-de user/phrasebook-en-de --public",
    ],
    "shortlist": ["seq2seq shortlist runs/quickstart"],
    "runs": ["seq2seq runs", "seq2seq runs runs/small-data-sweep --curves curves.svg"],
    "sweep": [
        "seq2seq sweep small-data -o model.dropout=0.2,0.4 --seeds 1,2,3",
        "seq2seq sweep my.yaml -o train.batch_tokens=500,1000 --workers 2",
    ],
    "serve": [
        "seq2seq serve demo",
        "seq2seq serve runs/en-de runs/de-en --engine onnx-int8 --port 8000",
        "seq2seq serve demo --host 0.0.0.0 --token-file token",
    ],
    "tune": [
        "seq2seq tune small-data-tune -o data.path=FOLDER --workers 2 --confirm 3"
    ],
    "recipe ls": ["seq2seq recipe ls"],
    "recipe show": ["seq2seq recipe show quickstart -o model.dropout=0.2"],
    "recipe cp": ["seq2seq recipe cp quickstart my.yaml"],
    "recipe validate": ["seq2seq recipe validate my.yaml"],
    "recipe schema": ["seq2seq recipe schema > recipe.schema.json"],
    "data import": [
        "seq2seq data import sentences.csv data/mine",
        "seq2seq data import corpus.en corpus.de data/mine",
        "seq2seq data import words.xlsx data/mine --columns 2,3 --target x-mine",
    ],
    "data inspect": [
        "seq2seq data inspect data/mine --output inspection.html",
        "seq2seq data inspect sentences.csv --json",
    ],
    "data clean": ["seq2seq data clean data/mine data/mine-clean --without numbers"],
    "data split": ["seq2seq data split data/mine data/mine-split --seed 1"],
    "bench train": ["seq2seq bench train quickstart --steps 50"],
    "bench translate": ["seq2seq bench translate runs/quickstart --beam 5"],
    "diagnose gradients": ["seq2seq diagnose gradients --steps 200 --output flow.svg"],
}
