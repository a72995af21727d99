from .candidate import held_out_pictures as held_out_pictures
from .evaluation_request import EvaluationRequest as EvaluationRequest
from .protocol import evaluate as evaluate
