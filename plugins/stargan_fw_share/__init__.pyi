from .card import Facts as Facts
from .dataset_extension import extend_model as extend_model
from .export import export_onnx as export_onnx, export_run as export_run
from .model_description import describe_model as describe_model, describe_trained as describe_trained
from .model_folder import check_free as check_free, write_model as write_model
from .publishing import pull as pull, push as push
