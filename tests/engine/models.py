"""Model folders for the engine's tests: the embedded model where it is shipped, and tiny random ones.

Random networks hardly react to their prompt, so the cross-attention of these is scaled up: a wrong prompt must show.
"""

import json
import os
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
EMBEDDED = REPOSITORY / "peerd" / "engine" / "embedded"
PROMPT_WEIGHT = 30.0


def embedded_model() -> Path | None:
    """The embedded model if it is there; PEERD_TEST_MODEL names another folder to run the tests on."""
    chosen = Path(os.environ.get("PEERD_TEST_MODEL", EMBEDDED))
    return chosen if (chosen / "model_index.json").is_file() else None


def tiny_sd(folder: Path) -> None:
    """Stable Diffusion 1.x's parts, v-prediction and zero-SNR betas like the embedded model's."""
    torch.manual_seed(1)
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(),
        unet=_unet(32, {}),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)


def tiny_sdxl(folder: Path) -> None:
    """Stable Diffusion XL's parts: two text encoders, added time ids."""
    torch.manual_seed(2)
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 32 + 6 * 8,
    }
    pipe = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=_unet(64, added),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        add_watermarker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)


def tiny_sd3(folder: Path) -> None:
    """Stable Diffusion 3's parts without T5: a flow-matching transformer."""
    torch.manual_seed(3)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        out_channels=4,
    )
    with torch.no_grad():
        # Its last layer starts at zero, which would make every prompt the same picture.
        for parameter in transformer.parameters():
            parameter.normal_(0.0, 0.15)
    pipe = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(shift_factor=0.06),
        text_encoder=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer_2=_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    # Saving leaves the absent parts out of the index, and loading wants them named.
    index = folder / "model_index.json"
    parts = json.loads(index.read_text())
    index.write_text(json.dumps({**parts, "text_encoder_3": [None, None], "tokenizer_3": [None, None]}))


def _unet(cross: int, added: dict[str, object]) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross,
        attention_head_dim=8,
        norm_num_groups=8,
        **added,
    )
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "attn2" in name and "weight" in name:
                parameter.mul_(PROMPT_WEIGHT)
    return unet


def _vae(**more: float) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
        **more,
    )


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        projection_dim=32,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )


def _tokenizer() -> CLIPTokenizer:
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: place for place, word in enumerate(words)}, merges=[], model_max_length=24)
