"""What users do: load, predict, explain, look, save."""

import inspect
import io
import pickle
import re

import numpy as np
import PIL.Image
import pytest
import torch
import vitrail as vt
from conftest import DEMO, difference


def test_a_photo_may_be_a_path_pixels_or_a_picture(model, image, tmp_path):
    PIL.Image.fromarray(image).save(tmp_path / "photo.png")
    maps = [
        vt.explain(model, form, "occlusion:patch=8,stride=8").map
        for form in (
            tmp_path / "photo.png",
            str(tmp_path / "photo.png"),
            image,
            np.dstack([image, image[:, :, :1]]),  # with alpha
            PIL.Image.fromarray(image),
        )
    ]
    assert all(np.array_equal(maps[0], other) for other in maps[1:])


def test_an_input_needs_no_preparation(model, image):
    prepared = model.prepare(image)
    by_photo = vt.saliency(model, image)
    for form in (prepared, prepared[0], prepared.numpy(), prepared[0].double().numpy()):
        assert np.array_equal(vt.saliency(model, form).map, by_photo.map)
    assert by_photo.photo is not None and by_photo.photo.shape == (32, 32, 3)


def test_a_report_is_of_photos(model, image, tmp_path):
    """An input has no photo that its prediction could be computed from again."""
    report = vt.Report(tmp_path, model)
    found = vt.explain_all(model, model.prepare(image), "saliency")
    found.save(tmp_path / "e.npz")
    for explanations in (found, vt.open(tmp_path / "e.npz"), vt.Explanations([])):
        with pytest.raises(vt.UsageError, match="of a photo"):
            report.add(explanations)
    assert report.add(vt.explain_all(model, image, "saliency")).is_dir()


def test_predictions_are_those_of_the_network(model, net, image):
    logits = net(model.prepare(image))[0]
    found = model.predict(image, top=3)
    assert [p.index for p in found] == logits.argsort(descending=True).tolist()
    assert found[0].label == "square"
    assert found[0].logit == pytest.approx(logits.max().item(), rel=1e-5)
    assert sum(p.probability for p in found) == pytest.approx(1)


def test_a_method_is_a_string_or_a_function(model, image):
    by_string = vt.explain(model, image, "sobol:grid=4,designs=4,seed=7", "square")
    by_function = vt.sobol(model, image, "square", grid=4, designs=4, seed=7)
    assert by_string == by_function
    assert by_string.method == by_function.method
    assert vt.explain(model, image, "sobol:grid=4,designs=4", "square", seed=7) == by_string


def test_every_method_has_a_function_with_its_options_and_their_defaults():
    for info in vt.methods():
        function = getattr(vt, info.name)
        parameters = inspect.signature(function).parameters
        for option in info.options:
            assert option.name in parameters, (info.name, option.name)
        assert info.summary in function.__doc__ and info.source in function.__doc__
        how = {"batch", "budget", "incremental", "progress", "cancellation"}
        assert not how & {option.name for option in info.options}, info.name


def test_defaults_of_functions_are_those_of_the_methods(model, image):
    """Given back as they are, they change nothing: words, numbers and flags mean the same on both sides."""
    for name in ("rise:masks=20", "occlusion", "saliency", "gradcam", "hsic:designs=30", "kernel_shap:coalitions=40"):
        word = name.split(":")[0]
        defaults = {
            p.name: p.default
            for p in inspect.signature(getattr(vt, word)).parameters.values()
            if p.kind is p.KEYWORD_ONLY and p.name not in ("batch", "budget", "incremental", "progress", "cancellation")
        }
        settings = dict(pair.split("=") for pair in name.partition(":")[2].split(",") if pair)
        explicit = getattr(vt, word)(model, image, **{**defaults, **{k: int(v) for k, v in settings.items()}})
        assert explicit == vt.explain(model, image, name), name


def test_all_methods_for_several_targets(model, image):
    found = vt.explain_all(model, image, "saliency,occlusion:patch=8,stride=8", ["top1", "circle", 2])
    assert [(e.name, e.target.index) for e in found] == [
        (name, index) for name in ("saliency", "occlusion") for index in (1, 0, 2)
    ]
    assert vt.explain_all(model, image, ["saliency", "occlusion:patch=8,stride=8"], ["top1", "circle", 2]) == found
    assert isinstance(found[1:3], vt.Explanations) and len(found[1:3]) == 2


def test_results_say_what_they_are(model, image):
    e = vt.rise(model, image, masks=200, seed=5)
    assert e.map.dtype == np.float32 and e.map.shape == (32, 32)
    assert e.standard_error.shape == (32, 32)
    assert (e.unit, e.is_signed, e.forwards, e.seed, e.partial) == ("logit", False, 200, 5, False)
    assert e.target.label == "square" and e.score == pytest.approx(model.predict(image)[0].logit, rel=1e-5)
    assert e.baseline == "zero" and e.plan["batch"] == "8" and "rise" in e.summary() and "rise" in repr(e)
    assert vt.integrated_gradients(model, image).completeness_gap is not None
    assert vt.sobol(model, image, grid=4).cells.shape == (4, 4)


def test_arrays_share_the_memory_of_the_result(model, image):
    e = vt.saliency(model, image)
    assert np.shares_memory(e.map, e.map)


def test_comparing(model, image):
    a, b = vt.rise(model, image, masks=300), vt.rise(model, image, masks=300, seed=2)
    same, other = a.compare(a), a.compare(b)
    assert same.rank_correlation == pytest.approx(1) and same.differing == 0
    assert repr(same).startswith("<MapComparison: rank correlation 1, 100.0 % of the top")
    assert -1 <= other.rank_correlation < 1 and other.difference.shape == other.half_width.shape
    with pytest.raises(vt.UsageError, match="bonferroni"):
        a.compare(b, correction="holm")


def test_pictures(model, image, tmp_path):
    found = vt.explain_all(model, image, "saliency,gradcam,occlusion:patch=8,stride=8")
    picture = PIL.Image.open(io.BytesIO(found[0]._repr_png_()))
    assert picture.size[0] >= 320 and np.array_equal(np.asarray(picture), found[0].picture())
    page = found._repr_html_()
    assert page.count("<img") == 3 and "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    figure = found.plot(columns=2)
    assert len(figure.axes) == 3
    figure.savefig(tmp_path / "figure.png")


def test_saving_and_reading_back(model, image, tmp_path):
    found = vt.explain_all(model, image, "rise:masks=100,saliency", ["top1", "circle"])
    found.save(tmp_path / "all.npz")
    found[0].save(tmp_path / "one.npz")
    assert vt.open(tmp_path / "all.npz") == found
    [again] = vt.open(tmp_path / "one.npz")
    assert again == found[0] and again.summary() == found[0].summary()
    assert np.array_equal(again.photo, image) and np.array_equal(again.picture(), found[0].picture())
    assert again.state().keys() == found[0].state().keys()


def test_pickling_keeps_everything(model, image):
    e = vt.rise(model, image, masks=100)
    again = pickle.loads(pickle.dumps(e))
    assert again == e and hash(again) == hash(e) and {e, again} == {e}
    assert again.summary() == e.summary() and np.array_equal(again.picture(), e.picture())
    assert e != vt.rise(model, image, masks=101)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None])
def test_a_damaged_file_is_an_input_error(damage, model, image, tmp_path):
    path = tmp_path / "e.npz"
    vt.saliency(model, image).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(vt.InputError, match=re.escape(str(path))):
        vt.open(path)
    with pytest.raises(vt.InputError, match="there is no file"):
        vt.open(tmp_path / "other.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.npz"]  # no temporary files


def test_a_map_comes_into_focus(model, image):
    looks = list(vt.stream(model, image, "rise:masks=500"))
    assert [e.forwards for e in looks] == [64, 128, 256, 500]
    assert [e.partial for e in looks] == [True, True, True, False]
    assert looks[-1] == vt.rise(model, image, masks=500)


def test_a_budget_stops_with_a_partial_result(model, image):
    e = vt.rise(model, image, masks=4000, budget="100forwards")
    assert e.partial and e.forwards == 100


def test_gradients_flow_through(model_path, image):
    exact = vt.load(model_path, double=True)
    x = exact.prepare(image).double()[:, :, 8:24:4, 8:24:4].clone()  # a small input, for finite differences
    x = torch.nn.functional.interpolate(x, (32, 32)).requires_grad_()
    small = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: exact(x.detach() + torch.nn.functional.interpolate(s, (32, 32))), small)
    logits = exact(x)
    [gradient] = torch.autograd.grad(logits[0, 1], x)
    assert gradient.shape == x.shape and gradient.abs().max() > 0


def test_second_derivatives_flow_through(tmp_path):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    path = vt.export(net, torch.zeros(3, 2, 2), tmp_path / "net.onnx")
    exact = vt.load(path, double=True, preprocess={"layout": "NCHW", "size": [2, 2], "resize": {"rule": "none"}})
    x = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(exact, x)


def test_any_value_can_be_fed_and_fetched(model, net, image):
    x = model.prepare(image)
    [hidden] = model.run({"input": x}, ["conv2"])
    with torch.no_grad():
        expected = net.conv2(net.relu1(net.conv1(x)))
    assert torch.allclose(hidden, expected, atol=1e-5)
    [logits] = model.run({"conv2": hidden}, ["logits"])
    assert torch.allclose(logits, net(x), atol=1e-5)


def test_inference_mode_of_the_caller_changes_nothing(model, net, image):
    expected = vt.explain_all(model, image, "saliency,gradcam,rise:masks=50")
    with torch.inference_mode():
        assert vt.explain_all(model, image, "saliency,gradcam,rise:masks=50") == expected
        x = model.prepare(image)
        by_module = vt.saliency(net, x, 1)
        assert list(vt.stream(model, image, "rise:masks=50"))[-1] == expected[2]
    assert difference(by_module.map, expected[0].map) < 1e-4
    assert difference(vt.saliency(net, x, 1).map, expected[0].map) < 1e-4  # x is an inference tensor


@pytest.mark.parametrize("target", [1, np.int64(1), torch.tensor(1), "1", [1], [torch.tensor(1)]])
def test_numbers_of_classes_may_be_of_any_kind(target, model, image):
    assert [e.target.index for e in vt.explain_all(model, image, "saliency", target)] == [1]


def test_options_may_be_numbers_of_numpy_and_paths(model, image, tmp_path):
    plain = vt.occlusion(model, image, patch=8, stride=8)
    assert vt.occlusion(model, image, patch=np.int64(8), stride=np.int32(8)) == plain
    PIL.Image.fromarray((np.arange(32 * 32).reshape(32, 32) // 256 * 60).astype(np.uint8)).save(
        tmp_path / "regions.png"
    )
    assert vt.feature_ablation(model, image, regions=tmp_path / "regions.png").map.std() > 0
    with pytest.raises(vt.UsageError, match="Tensor"):
        vt.occlusion(model, image, baseline=torch.zeros(1000))


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        (lambda m, i: vt.explain(m, i, "sobbol"), vt.UsageError, "sobol"),
        (lambda m, i: vt.explain(m, i, "sobol:gird=4"), vt.UsageError, "grid"),
        (lambda m, i: vt.sobol(m, i, gird=4), TypeError, "gird"),
        (lambda m, i: vt.sobol(m, i, grid=0), vt.UsageError, "grid=0"),
        (lambda m, i: vt.sobol(m, i, baseline=[1]), vt.UsageError, "baseline"),
        (lambda m, i: vt.explain(m, i, "saliency", "squares"), vt.UsageError, "square"),
        (lambda m, i: vt.explain(m, i, "saliency", 3), vt.UsageError, "3"),
        (lambda m, i: vt.explain(m, i, "saliency", True), vt.UsageError, "True"),
        (lambda m, i: vt.explain(m, i, "saliency", 1.5), vt.UsageError, "1.5"),
        (lambda m, i: vt.explain(m, i, "saliency,rise"), vt.UsageError, "explain_all"),
        (lambda m, i: vt.gradcam(m, i, layer="conv9"), vt.UsageError, "conv2"),
        (lambda m, i: vt.explain(m, i, budget="soon"), vt.UsageError, "30s"),
        (lambda m, i: vt.explain(m, i, budget=50), vt.UsageError, "30s"),
        (lambda m, i: vt.explain(m.name, i), vt.UsageError, "vitrail.load"),
        (lambda m, i: vt.explain(m, i, vt.methods()[0]), vt.UsageError, "MethodInfo"),
        (lambda m, i: vt.stream(m, i, "nonsense"), vt.UsageError, "nonsense"),
        (lambda m, i: vt.saliency(m, i).save("/nowhere/e.npz"), vt.UsageError, "/nowhere"),
        (lambda m, i: vt.Report("out", vt.wrap(print)), vt.UsageError, "vitrail.export"),
        (lambda m, i: next(vt.explain_photos(m, "cat.png", "out")), vt.UsageError, "list of paths"),
        (lambda m, i: vt.explain(m, "nowhere.png"), vt.InputError, "nowhere.png"),
        (lambda m, i: vt.explain(m, i[:, :, 0].astype(int)), vt.InputError, "uint8"),
        (lambda m, i: vt.explain(m, object()), vt.InputError, "object"),
        (lambda m, i: vt.explain(m, np.zeros((2, 3, 32, 32), np.float32)), vt.InputError, "one image at a time"),
        (lambda m, i: vt.load("nowhere.onnx"), vt.ModelError, "nowhere.onnx"),
        (lambda m, i: vt.load(m.name, plan="fast"), vt.UsageError, "fast"),
    ],
)
def test_mistakes_are_named(wrong, error, words, model, image):
    with pytest.raises(error, match=re.escape(words)):
        wrong(model, image)
    if issubclass(error, vt.Error):
        assert issubclass(error, ValueError)


def test_the_whole_of_the_first_line(tmp_path):
    """From a real model and a photo to a picture."""
    model = vt.load(DEMO / "efficientnet_lite0.onnx")
    why = vt.explain(model, DEMO / "chelsea.png", "gradcam")
    assert why.target.label.startswith("tiger cat") or "cat" in why.target.label
    rows, columns = np.unravel_index(why.map.argmax(), why.map.shape)
    assert 20 < rows < 204 and 20 < columns < 204
    why.save(tmp_path / "why.npz")
    assert difference(vt.open(tmp_path / "why.npz")[0].map, why.map) == 0
