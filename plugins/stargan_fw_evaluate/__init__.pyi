from .candidate import held_out_pictures as held_out_pictures
from .evaluation_progress import EvaluationProgress as EvaluationProgress
from .evaluation_record import (
    Evaluation as Evaluation,
    Row as Row,
    as_markdown as as_markdown,
    evaluation_notes as evaluation_notes,
    evaluation_table as evaluation_table,
)
from .evaluation_request import EvaluationRequest as EvaluationRequest
from .held_out import (
    HeldOut as HeldOut,
    held_out_images as held_out_images,
    log_warnings as log_warnings,
    read_picture as read_picture,
)
from .intervals import mean_of_seeds as mean_of_seeds
from .protocol import evaluate as evaluate
