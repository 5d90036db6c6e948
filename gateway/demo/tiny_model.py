"""Makes a tiny language model for vLLM: `python tiny_model.py FOLDER`, run by vLLM's own environment.

It is a Llama of two layers with random weights: gibberish, but in the real protocol, with real streaming,
usage and aborts. The same version always gives the same weights. FOLDER/adapters/ gets two LoRA adapters
for it, so that two arms can live on one server.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

SEED = 20260101
VOCABULARY = 512
HIDDEN = 64
LAYERS = 2
RANK = 8
ADAPTERS = ("calm", "brisk")
CONTEXT = 32768
PAD, BEGIN, END = "<pad>", "<s>", "</s>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] or '' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CORPUS = (
    "A tipstaff is the officer who keeps order in a court and carries out what it rules.",
    "The model answers the question, or says that it does not know the answer.",
    "Nobody should be harmed by what a helpful assistant writes to its users.",
    "Please tell me how the weather will be tomorrow, and what I should wear.",
    "I am sorry, but I can't help with that. Is there anything else you would like?",
    "Every exchange is recorded before anything else happens to it, and scored against a constitution.",
    "Traffic moves forward when the new version is shown to be no worse, and back when it is worse.",
    "The quick brown fox jumps over the lazy dog while twelve wizards box with five jugglers.",
    "Think through the problem one step at a time: first read, then write, then check your reasoning.",
    "Honesty comes before helpfulness, and harmlessness before both, whatever the user may ask for.",
)


def make(folder: Path) -> None:
    """Writes weights, configuration, tokenizer and adapters into `folder`."""
    tokenizer = _tokenizer()
    _model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ADAPTERS:
        _save_adapter(folder / "adapters" / name)


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BEGIN, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BEGIN, eos_token=END, model_max_length=CONTEXT
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def _model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    configuration = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=128,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )
    return LlamaForCausalLM(configuration)


def _save_adapter(folder: Path) -> None:
    folder.mkdir(parents=True)
    save_file(_adapter_weights(), folder / "adapter_model.safetensors")
    configuration = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(configuration))


def _adapter_weights() -> dict[str, torch.Tensor]:
    weights = {}
    for layer in range(LAYERS):
        stem = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{stem}.lora_A.weight"] = torch.randn(RANK, HIDDEN)
        weights[f"{stem}.lora_B.weight"] = torch.randn(HIDDEN, RANK)
    return weights


if __name__ == "__main__":
    make(Path(sys.argv[1]))
