"""VITS's discriminator, coqui's weights in an order of work that suits processors.

The parts that look at every p-th sample (Kong, Kim and Bae, 2020) fold the waveform into two dimensions and convolve
along one of them alone. Here that one lies innermost in memory, where the kernels of every backend work fastest.
"""

import contextlib
import functools
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize
from TTS.tts.layers.vits.discriminator import VitsDiscriminator
from TTS.vocoder.models.hifigan_discriminator import DiscriminatorP

from ttsd.model.small_discriminator import Judgement, SmallDiscriminator, Verdict, fold, judge


def discriminate(disc: VitsDiscriminator | SmallDiscriminator, wav: Tensor) -> Judgement:
    """Judge waveforms; the same figures as coqui's forward gives, the features of the periods transposed.

    Args:
        disc: coqui's discriminator, or the small one.
        wav: float [B, 1, n_samples].
    """
    if isinstance(disc, SmallDiscriminator):
        small: Judgement = disc(wav)
        return small
    judged = [_judge_periods(net, wav) if isinstance(net, DiscriminatorP) else net(wav) for net in disc.nets]
    return [scores for scores, _ in judged], [features for _, features in judged]


@contextlib.contextmanager
def frozen(disc: nn.Module) -> Iterator[None]:
    """Let gradients through a discriminator, and compute none for its own weights, for the length of a block."""
    disc.requires_grad_(False)
    try:
        # Its weight normalisation is multiplied out once for the whole block.
        with parametrize.cached():
            yield
    finally:
        disc.requires_grad_(True)


def _judge_periods(net: DiscriminatorP, wav: Tensor) -> Verdict:
    layers = (functools.partial(_convolve, layer) for layer in net.convs)
    return judge(fold(wav, net.period), layers, functools.partial(_convolve, net.conv_post))


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    kernel = layer.weight.transpose(2, 3)
    return nn.functional.conv2d(x, kernel, layer.bias, layer.stride[::-1], layer.padding[::-1])
