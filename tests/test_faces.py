"""The names that people import: a change of one is a change for them, and is seen here."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

# Each package that has a face, with its public names. A new name is a line here, and an old one stays
FACES = {
    "zoo": """
        Artefact ArtefactError ConfigError DataError SpecError ZooError
        create_model features list_models list_weights load register_model save train
    """,
    "zoo.models": """
        CNN CRNN GRU LSTM MLP MODELS NETWORKS RBM RNN
        Captioner ClassRBM Colouriser Discriminator Forecaster FrameReader FreeEnergyRBM Generator Handwriter
        ImageReader Inpainter LabelledRBM LanguageModel Model PatchDiscriminator PhotoCNN RatingRBM RowReader
        SequenceCNN SuperResolver Tagger TextCNN TextClassifier TopicRBM Translator UNet ValueRBM
        apply build create_model defaults list_models register_model
    """,
    "zoo.tasks": """
        Adding AdversarialOptions AnomalyDetection Captioning Classification Colourisation DivergenceOptions Downscale
        FeatureLearning Forecasting Generation Grey Handwriting Hybrid LanguageModelling Mask MultiLabelClassification
        OCR Recommendation Regression
        Restoration Sentiment Tagging Task TopicModelling TrainingOptions Translation memory_task supervised_task
    """,
    "zoo.data": """
        Adding Admissions Arrays BinaryRatings BreastCancer CIFAR10 CaptionFolder CharacterData Conll Copying Csv
        CsvRatings CsvSequences CsvSeries CsvText
        DataModule Dates Diabetes DigitLines Digits DocumentData EMNIST Examples FashionMNIST Frame HuggingFace
        ImageArrays ImageFolder Imdb InkData InkFolder Joined LineFolder MNIST MNISTLines MovieLens MovingDigits
        Multi30k Newsletters ParallelText PenDigits PhotoAugmentation Photos Ragged RandomAffine RandomFlip RandomShift
        RatingData ReviewText Reviews RtPolarity RtPolarityWords Scan SeriesData Shapes StrokeAugmentation StrokeDigits
        TableData TextFile TextFolder TextLines TwentyNewsgroups VideoFolder Waves Wine
    """,
    "zoo.spec": """
        Anomaly Calibration Classes Counts Encoded Features Forecast Image Ink InputKind Label Labels MaskedImage
        MultiLabel Ratings Recommendations Seed Sentence Series SmallImage SourceText
        Spec Strokes Table TargetText Text TextLine Tokens Topics Transcript Values
        Video read_image
    """,
    "zoo.metrics": """
        NDCG R2 CaptionerMetrics EntityF1 ClassifierMetrics MaskedL1 MaskedPSNR MaskedSSIM Perplexity Reading
        RestorationMetrics
        align as_mnist caption_agreement classes_present frechet_distance generation_metrics permutation_importance
        precision_and_recall share_read ssim_map
        grad_cam integrated_gradients word_influence
    """,
    "zoo.optim": """
        SCHEDULES Manhattan OptimizerBuilder TrainingOptions WeightAverage layer_lr_scales scheduler
    """,
    "zoo.plots": """
        NOTHING alignments animation attention_maps captioned_frames captioned_rows character_confusions
        character_positions confusion_matrix filmstrip filters forecasts histograms image_grid image_rows importance
        intervals labelled_scatter lead_times learning_curves line_chart predicted_against_true residuals scatter sweep
        text_lines topic_words
        QUANTILES MarkedText attributions decision_border feature_maps first_filters layer_bands marked_texts unit_maps
        value_surface
    """,
}


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> ModuleType:
    """Each package in turn."""
    return importlib.import_module(request.param)


def test_its_public_names_are_these(face: ModuleType) -> None:
    assert sorted(face.__all__) == sorted(FACES[face.__name__].split())
    assert len(set(face.__all__)) == len(face.__all__)
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


def test_no_submodule_bears_a_public_name(face: ModuleType) -> None:
    """Else importing the submodule, whenever somebody does, would put it in that name's place."""
    assert {module.name for module in pkgutil.iter_modules(face.__path__)} & set(face.__all__) == set()
