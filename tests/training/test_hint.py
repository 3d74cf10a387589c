"""What leads a small decoder: its teacher's features, and the phases of the teacher's speech."""

import torch

from ttsd.config import Config, ModelConfig, load_config
from ttsd.data.symbols import SymbolTable
from ttsd.model.compact import GEOMETRIES, N_LATENTS, FrontEnd
from ttsd.model.two_rate_decoder import N_PARTS, TwoRateDecoder
from ttsd.model.vits import build_vits
from ttsd.training.decoder import learn
from ttsd.training.distillation import learn_front_end
from ttsd.training.hint import make_hint, read_texts
from ttsd.training.phase import Schedule, minimize
from ttsd.training.rendering import Rendering
from ttsd.training.windows import phase_loss, spectral_loss

CONFIG = load_config(None, ["train.decoder.batch_size=2", "train.decoder.segment_frames=24"])


def vits():
    torch.manual_seed(0)
    config = Config(model=ModelConfig())
    return build_vits(config.model, config.audio, SymbolTable.default().n_symbols).eval()


def hifigan():
    return vits().waveform_decoder


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


def test_what_the_teacher_says_of_every_symbol_is_told_in_each_channels_own_spread():
    teacher, texts = vits(), [torch.arange(3, 40), torch.arange(50, 60)]
    read = read_texts(teacher, texts)
    assert [one.shape for one in read] == [(N_LATENTS, 37), (N_LATENTS, 10)]
    every = torch.cat(read, dim=1)
    torch.testing.assert_close(every.mean(1), torch.zeros(N_LATENTS), atol=1e-4, rtol=0)
    torch.testing.assert_close(every.std(1), torch.ones(N_LATENTS))
    with torch.no_grad():
        _, means, _, _ = teacher.text_encoder(texts[1].unsqueeze(0), torch.tensor([10]))
    # A channel keeps its shape.
    told, own = read[1][5], means[0, 5]
    torch.testing.assert_close((told - told.mean()) / told.std(), (own - own.mean()) / own.std(), atol=1e-3, rtol=0)


def test_a_front_end_learns_what_the_teacher_says_of_every_symbol(tmp_path):
    teacher, ids = vits(), torch.arange(3, 40)
    n_frames = 2 * len(ids)
    sentence = Rendering(ids, torch.full_like(ids, 2), torch.zeros(N_LATENTS, n_frames), torch.zeros(1), torch.zeros(1))
    front = FrontEnd(GEOMETRIES["micro"], SymbolTable.default().n_symbols)
    reading = torch.nn.Conv1d(GEOMETRIES["micro"].hidden, N_LATENTS, 1)
    texts = read_texts(teacher, [ids])

    def turns(step):
        return learn_front_end(front, [sentence], [0], CONFIG, torch.device("cpu"), step, reading, texts)

    parts = {"front_end": torch.nn.ModuleList([front, reading])}
    minimize(parts, turns, Schedule(100, 5e-3, "a.b"), tmp_path / "1.ckpt", lambda *_: None)
    hidden, _ = front.eval().encode(ids.unsqueeze(0), torch.tensor([len(ids)]))
    assert (reading(hidden)[0] - texts[0]).abs().mean() < 0.5 * texts[0].abs().mean()


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
