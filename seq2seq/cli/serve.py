"""seq2seq serve; import nothing heavy before the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Beam,
    DeviceName,
    EngineOption,
    SearchOverrides,
    SentencesOption,
    choose_device,
    with_beam,
)
from seq2seq.cli.verbs import MODEL
from seq2seq.errors import UserError
from seq2seq.utils.memory import gc_disabled


def serve(
    models: Annotated[
        list[Path],
        MODEL,
        typer.Argument(
            help="Run folders or model folders, one for each pair of languages; or "
            "demo, the model that ships; or hf://user/model on the Hub."
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is all of IPv4.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 5000,
    engine: EngineOption = "torch",
    device: DeviceName = None,
    beam: Beam = None,
    override: SearchOverrides = None,
    sentences: SentencesOption = None,
    batch: Annotated[
        int,
        typer.Option(min=1, max=1024, help="Maximal number of sentences in a batch."),
    ] = 64,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with a token that requests must bring, as api_key or as "
            "Authorization: Bearer TOKEN.",
            show_default="none needed",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Additional name by which the server may be called. Repeatable."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin whose pages may call it, such as https://example.org. "
            "Repeatable."
        ),
    ] = None,
    log_text: Annotated[
        bool, typer.Option("--log-text", help="Log the texts of requests.")
    ] = False,
) -> None:
    """Serve models over HTTP: LibreTranslate's API, and a page to type into."""
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(
            "the server is not installed: pip install 'seq2seq-recurrent[serve]'"
        ) from error
    with gc_disabled():
        from seq2seq.serve.server import bind, load_models, make_access, run_server
        from seq2seq.translate.options import TranslationOptions

        access = make_access(
            host,
            names=allow_host or [],
            origins=allow_origin or [],
            token_file=token_file,
            log_text=log_text,
        )
        choose_device(device, engine=engine)
        listener = bind(host, port)
        loaded = load_models(
            models,
            TranslationOptions(
                batch_size=batch,
                sentences=sentences,
                return_scores=False,
                on_error="return",
            ),
            engine=engine,
            device=device or "auto",
            overrides=with_beam(override, beam),
        )
    run_server(loaded, access, listener, batch)
