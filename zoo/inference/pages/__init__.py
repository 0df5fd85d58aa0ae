"""Read documents: pages of images, TIFFs and PDFs to blocks, lines, words and characters, in reading order."""

from zoo.inference.pages.document import Box, Character, Document, Line, Page, Unread, Word
from zoo.inference.pages.reading import lines_of, read_page

__all__ = ["Box", "Character", "Document", "Line", "Page", "Unread", "Word", "lines_of", "read_page"]
