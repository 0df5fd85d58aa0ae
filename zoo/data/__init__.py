"""Data modules: sources of batches with a spec."""

from __future__ import annotations

from zoo.data.arrays import Arrays, Frame, ImageArrays
from zoo.data.augmentation import PhotoAugmentation, RandomFlip
from zoo.data.captions import CaptionFolder
from zoo.data.conll import Conll
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Joined, Ragged
from zoo.data.core.rating_data import RatingData
from zoo.data.core.table_data import TableData
from zoo.data.csv_sequences import CsvSequences
from zoo.data.csv_text import CsvText
from zoo.data.dates import Dates
from zoo.data.distortions import Scan
from zoo.data.documents import DocumentData, Newsletters, RtPolarityWords, TextFolder, TwentyNewsgroups
from zoo.data.hugging_face import HuggingFace
from zoo.data.images import CIFAR10, EMNIST, MNIST, Digits, FashionMNIST, RandomAffine, RandomShift
from zoo.data.ink import InkData, InkFolder, PenDigits, StrokeAugmentation, StrokeDigits
from zoo.data.lines import DigitLines, LineFolder, MNISTLines, TextLines
from zoo.data.parallel_text import Multi30k, ParallelText
from zoo.data.photos import ImageFolder, Photos
from zoo.data.ratings import BinaryRatings, CsvRatings, MovieLens
from zoo.data.sequences import Adding, Copying, MovingDigits
from zoo.data.series import CsvSeries, SeriesData, Waves
from zoo.data.shapes import Shapes
from zoo.data.tables import Admissions, BreastCancer, Csv, Diabetes, Wine
from zoo.data.text import CharacterData, Imdb, Reviews, ReviewText, RtPolarity, TextFile
from zoo.data.videos import VideoFolder

__all__ = [
    "CIFAR10",
    "EMNIST",
    "MNIST",
    "Adding",
    "Admissions",
    "Arrays",
    "BinaryRatings",
    "BreastCancer",
    "CaptionFolder",
    "CharacterData",
    "Conll",
    "Copying",
    "Csv",
    "CsvRatings",
    "CsvSequences",
    "CsvSeries",
    "CsvText",
    "DataModule",
    "Dates",
    "Diabetes",
    "DigitLines",
    "Digits",
    "DocumentData",
    "Examples",
    "FashionMNIST",
    "Frame",
    "HuggingFace",
    "ImageArrays",
    "ImageFolder",
    "Imdb",
    "InkData",
    "InkFolder",
    "Joined",
    "LineFolder",
    "MNISTLines",
    "MovieLens",
    "MovingDigits",
    "Multi30k",
    "Newsletters",
    "ParallelText",
    "PenDigits",
    "PhotoAugmentation",
    "Photos",
    "Ragged",
    "RandomAffine",
    "RandomFlip",
    "RandomShift",
    "RatingData",
    "ReviewText",
    "Reviews",
    "RtPolarity",
    "RtPolarityWords",
    "Scan",
    "SeriesData",
    "Shapes",
    "StrokeAugmentation",
    "StrokeDigits",
    "TableData",
    "TextFile",
    "TextFolder",
    "TextLines",
    "TwentyNewsgroups",
    "VideoFolder",
    "Waves",
    "Wine",
]
