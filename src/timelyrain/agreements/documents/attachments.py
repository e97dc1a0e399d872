"""Files inside the PDF: the executable terms, the disclosure, the evidence of the borrower's will."""

from datetime import datetime
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from .errors import DocumentError

TERMS, DISCLOSURE, EVIDENCE = "terms.json", "disclosure.json", "evidence.json"


def extract_attachment(pdf: bytes, name: str) -> bytes:
    """The bytes of an embedded file. Raises DocumentError where it is missing or there twice."""
    try:
        return read_attachment(PdfFileReader(BytesIO(pdf)), name)
    except (KeyError, PdfError, ValueError) as error:
        raise DocumentError(
            f"The attachment {name} cannot be read: {error}. Use the file as it was signed."
        ) from error


def read_attachment(reader: PdfFileReader, name: str) -> bytes:
    leaves: Any = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    found = [leaves[index + 1] for index in range(0, len(leaves), 2) if str(leaves[index]) == name]
    if len(found) != 1:
        raise DocumentError(
            f"The file has {len(found)} attachments named {name}, not one. Use the file as it was signed."
        )
    return found[0]["/EF"]["/F"].data


def attach(writer: IncrementalPdfFileWriter, name: str, data: bytes, description: str, at: datetime) -> None:
    """Adds a JSON file to the revision in the making."""
    params = embed.EmbeddedFileParams(creation_date=at, modification_date=at)
    stream = embed.EmbeddedFileObject.from_file_data(
        writer, data, params=params, mime_type="application/json"
    )
    relationship = generic.pdf_name("/Supplement")
    embed.embed_file(writer, embed.FileSpec(name, name, stream, description, relationship))
    # A name tree is searched by bisection, so the new name must stand in order.
    leaves: Any = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    flat = [leaves.raw_get(index) for index in range(len(leaves))]
    pairs = sorted(zip(flat[::2], flat[1::2], strict=True), key=lambda pair: str(pair[0]))
    leaves[:] = [item for pair in pairs for item in pair]
