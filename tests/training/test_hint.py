"""What leads a small decoder: its teacher's features, and the phases of the teacher's speech."""

import torch

from ttsd.config import Config, ModelConfig, load_config
from ttsd.data.symbols import SymbolTable
from ttsd.model.compact import N_LATENTS
from ttsd.model.two_rate_decoder import N_PARTS, TwoRateDecoder
from ttsd.model.vits import build_vits
from ttsd.training.decoder import learn
from ttsd.training.hint import make_hint
from ttsd.training.phase import Schedule, minimize
from ttsd.training.windows import phase_loss, spectral_loss

CONFIG = load_config(None, ["train.decoder.batch_size=2", "train.decoder.segment_frames=24"])


def hifigan():
    torch.manual_seed(0)
    config = Config(model=ModelConfig())
    return build_vits(config.model, config.audio, SymbolTable.default().n_symbols).waveform_decoder.eval()


def test_who_has_the_teachers_own_features_makes_no_error():
    teacher, z = hifigan(), torch.randn(2, N_LATENTS, 30)
    heard = []
    teacher.ups[1].register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    with torch.no_grad():
        teacher(z)
    # The second stage is given the first one's features behind a leaky rectifier, which is undone here.
    features = torch.where(heard[0] < 0, heard[0] / 0.1, heard[0])
    assert features.shape[2] == 30 * N_PARTS
    hint = make_hint(teacher, features.shape[1], [z[0]])
    with torch.no_grad():
        hint.reading.weight.copy_(torch.diag(1 / hint.spread[0, :, 0]).unsqueeze(2))
        hint.reading.bias.copy_(-(hint.mean / hint.spread)[0, :, 0])
    assert hint(z, features).item() < 1e-4
    assert hint(z, torch.zeros_like(features)).item() > 0.5
    assert not [name for name, _ in hint.named_parameters() if not name.startswith("reading")], "the teacher stays"


def test_a_teacher_whose_stages_run_at_another_rate_gives_no_hint():
    assert make_hint(torch.nn.Identity(), 8, [torch.randn(N_LATENTS, 30)]) is None


def test_the_phases_tell_what_spectra_alone_do_not():
    wav = torch.randn(2, 8192)
    assert float(spectral_loss(wav, -wav, CONFIG.audio)) == 0
    assert float(phase_loss(wav, wav)) == 0
    assert float(phase_loss(wav, -wav)) > 1.9


def test_a_small_decoder_learns_the_teachers_waveform(tmp_path):
    teacher = hifigan()
    z = torch.randn(N_LATENTS, 60)
    with torch.no_grad():
        wav = teacher(z.unsqueeze(0))[0, 0]
    spoken = [(z, wav / wav.abs().max(), torch.full((60,), 150.0))]
    torch.manual_seed(0)
    decoder = TwoRateDecoder(N_LATENTS, CONFIG.audio, 64, 2, 32, 2)
    taught = torch.nn.ModuleList([decoder, make_hint(teacher, 32, [z])])
    losses = []

    def turns(step):
        for name, loss in learn(decoder, spoken, CONFIG, torch.device("cpu"), step, hint=taught[1], phases=True):
            losses.append(float(loss.detach()))
            yield name, loss

    minimize({"decoder": taught}, turns, Schedule(60, 2e-3, "a.b"), tmp_path / "1.ckpt", lambda *_: None)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
