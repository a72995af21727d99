"""Words for the sides of a split, in several languages, as folders, files and columns are named."""

from collections.abc import Mapping, Sequence

TRAIN = frozenset({"train", "training"})
TEST = frozenset({"test", "testing"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
ABROAD: Mapping[str, Sequence[str]] = {
    "train": (
        *("entrainement", "entraînement", "apprentissage", "entrenamiento", "treino", "treinamento", "addestramento"),
        *("обучение", "训练", "訓練", "学習", "학습", "훈련"),
    ),
    "test": ("teste", "prueba", "pruebas", "тест", "测试", "測試", "テスト", "테스트"),
    "val": (
        "validierung",
        "validación",
        "validacion",
        "validação",
        "validazione",
        "валидация",
        "验证",
        "驗證",
        "検証",
        "검증",
    ),
}
# Words for a kind of split, in any language: plugins find splits by them, and the check finds labels that are none.
SPLIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys((*TRAIN, "trn", *ABROAD["train"]), "train"),
    **dict.fromkeys((*TEST, "tst", "privatetest", *ABROAD["test"]), "test"),
    **dict.fromkeys((*VALIDATION, "evaluation", "eval", "publictest", *ABROAD["val"]), "val"),
}
