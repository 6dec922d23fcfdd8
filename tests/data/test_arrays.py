import json

import pytest
import torch

from optlab.data.arrays import Arrays, DataInfo, Source, fingerprint, images_from_nhwc

INFO = DataInfo("made", "classification", (3, 4, 5), ("a", "b"), 2, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


def source(seed: int = 0, channels_last: bool = True) -> Source:
    generator = torch.Generator().manual_seed(seed)

    def arrays(n: int) -> Arrays:
        pixels = torch.randint(256, (n, 4, 5, 3), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)
        return Arrays(pixels if channels_last else pixels.contiguous(), torch.arange(n) % 2)

    return Source(INFO, arrays(8), arrays(4))


@pytest.mark.parametrize(
    "info", [INFO, DataInfo("line", "regression", (1,), (), 1, None, None, pixel_max=16.0)], ids=lambda i: i.name
)
def test_info_survives_json(info: DataInfo) -> None:
    assert DataInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info


def test_a_selection_holds_the_same_samples_in_the_same_memory_format() -> None:
    indices = torch.tensor([6, 0, 3])
    for channels_last in (True, False):
        arrays = source(channels_last=channels_last).train
        assert isinstance(arrays, Arrays)
        chosen = arrays.select(indices)
        assert torch.equal(chosen.inputs, arrays.inputs[indices])
        assert torch.equal(chosen.targets, arrays.targets[indices])
        assert chosen.inputs.is_contiguous(memory_format=torch.channels_last) is channels_last


def test_images_are_stored_channels_last() -> None:
    pixels = torch.arange(2 * 4 * 5 * 3, dtype=torch.uint8).view(2, 4, 5, 3).numpy()
    images = images_from_nhwc(pixels)
    assert images.shape == (2, 3, 4, 5)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, 2, 3, 4] == pixels[1, 3, 4, 2]
    assert images_from_nhwc(pixels[..., :1]).is_contiguous()


def test_the_fingerprint_is_of_the_content_and_not_of_the_memory_format() -> None:
    reference = fingerprint(source())
    assert len(reference) == 16
    assert int(reference, 16) >= 0
    assert fingerprint(source(channels_last=False)) == reference


def test_the_fingerprint_changes_with_any_content() -> None:
    made, seen = source(), {fingerprint(source())}
    pixel, label = made.test.inputs.clone(), made.test.targets.clone()
    pixel[3, 2, 3, 4] ^= 1
    label[0] = 1
    flat = made.test.inputs.permute(0, 2, 3, 1).reshape(4, 60)
    for test in (
        Arrays(pixel, made.test.targets),
        Arrays(made.test.inputs, label),
        Arrays(made.test.inputs, made.test.targets.int()),
        Arrays(flat, made.test.targets),
    ):
        seen.add(fingerprint(Source(INFO, made.train, test)))
    seen.add(fingerprint(Source(INFO, made.train, made.test, val=made.test)))
    assert len(seen) == 6


def test_inputs_and_targets_must_match() -> None:
    with pytest.raises(ValueError, match="3 inputs with 2 targets"):
        Arrays(torch.zeros(3, 1), torch.zeros(2, 1))
