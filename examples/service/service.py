"""A web service: `python service.py MODEL`, then `curl --data-binary @face.jpg "localhost:8000/translate?to=happy" -o happy.png`.

It answers this machine only, until HOST says otherwise. It needs: pip install stargan-fw 'fastapi>=0.115' 'uvicorn>=0.32'
"""

import os
import sys
from threading import Lock

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image

from stargan_fw import Translator
from stargan_fw.errors import DataError, RequestError

LARGEST_UPLOAD = 10 * 2**20  # bytes
Image.MAX_IMAGE_PIXELS = 20_000_000  # Pillow refuses images of more than twice as many pixels before it decodes them


async def read_body(request: Request) -> bytes:
    """Returns the body of a request, and stops reading when it is too large, whatever its header says."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_UPLOAD:
            raise HTTPException(413, f"The picture has more than {LARGEST_UPLOAD:,} bytes.")
    return bytes(body)


def make_app(model: str) -> FastAPI:
    """Returns the service for a run folder, a model folder or a model of the Hub."""
    app, turn = FastAPI(title="stargan-fw"), Lock()  # one thread at a time may use a translator
    translator = Translator.from_pretrained(model, accelerate=True)

    def translate(picture: bytes, to: str) -> bytes:
        try:
            with turn:
                return translator.translate(picture, to)
        except DataError as error:
            raise HTTPException(400, str(error)) from None
        except RequestError as error:
            raise HTTPException(422, str(error)) from None

    @app.get("/labels")
    def labels() -> dict[str, list[str]]:
        """Lists the labels of each dataset."""
        return {schema.name: list(schema.names) for schema in translator.labels.schemas}

    @app.post("/translate", response_class=Response)
    async def answer(to: str, request: Request) -> Response:
        """Returns the picture in the body as a PNG, with the labels `to`."""
        picture = await run_in_threadpool(translate, await read_body(request), to)
        return Response(picture, media_type="image/png")

    return app


if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))
    uvicorn.run(make_app(sys.argv[1]), host=host, port=port, limit_concurrency=32)
