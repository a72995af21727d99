from .attribute import Move as Move
from .attributes import (
    Attribute as Attribute,
    Binary as Binary,
    Categorical as Categorical,
    Continuous as Continuous,
    Exclusive as Exclusive,
    LabelValue as LabelValue,
)
from .edits import Edit as Edit
from .index import Index as Index
from .label_counts import (
    LabelCounts as LabelCounts,
    add_earlier_counts as add_earlier_counts,
    check_ranges as check_ranges,
    describe_untrained as describe_untrained,
)
from .label_errors import (
    DuplicateNameError as DuplicateNameError,
    ExclusiveLabelsError as ExclusiveLabelsError,
    LabelError as LabelError,
    RequestError as RequestError,
    UnknownNameError as UnknownNameError,
)
from .label_space import LabelSchema as LabelSchema, LabelSpace as LabelSpace
from .names import quote_name as quote_name, read_quoted as read_quoted, split_quoted as split_quoted
