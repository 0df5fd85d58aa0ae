"""Every public network by name, for `create_model`: the techniques, and what else research code takes."""

from __future__ import annotations

from torch import nn

from zoo.models import cnn, cnn1d, gan, mlp, photo_cnn, rbm, rnn

NETWORKS: dict[str, type[nn.Module]] = {
    "captioner": rnn.Captioner,
    "class_rbm": rbm.ClassRBM,
    "cnn": cnn.CNN,
    "colouriser": gan.Colouriser,
    "crnn": cnn.CRNN,
    "discriminator": gan.Discriminator,
    "forecaster": rnn.Forecaster,
    "frame_reader": rnn.FrameReader,
    "free_energy_rbm": rbm.FreeEnergyRBM,
    "generator": gan.Generator,
    "gru": rnn.GRU,
    "handwriter": rnn.Handwriter,
    "image_reader": rnn.ImageReader,
    "inpainter": gan.Inpainter,
    "language_model": rnn.LanguageModel,
    "lstm": rnn.LSTM,
    "mlp": mlp.MLP,
    "patch_discriminator": gan.PatchDiscriminator,
    "photo_cnn": photo_cnn.PhotoCNN,
    "rating_rbm": rbm.RatingRBM,
    "rbm": rbm.RBM,
    "rnn": rnn.RNN,
    "row_reader": rnn.RowReader,
    "sequence_cnn": cnn1d.SequenceCNN,
    "super_resolver": gan.SuperResolver,
    "tagger": rnn.Tagger,
    "text_cnn": cnn1d.TextCNN,
    "text_classifier": rnn.TextClassifier,
    "topic_rbm": rbm.TopicRBM,
    "translator": rnn.Translator,
    "unet": gan.UNet,
    "value_rbm": rbm.ValueRBM,
}
