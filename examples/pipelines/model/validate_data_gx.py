"""The same checks as validate_data.py, said in Great Expectations, with the same report.

python validate_data_gx.py data.csv --report report.json
"""

import sys

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas
from dataset import TARGET, read
from validate_data import COLUMNS, arguments, finish

FEATURES = [name for name in COLUMNS if name != TARGET]


COLUMNS_THERE = gxe.ExpectTableColumnsToMatchSet(column_set=COLUMNS, exact_match=False)


def suite() -> gx.ExpectationSuite:
    """What a table with these columns must be like."""
    return gx.ExpectationSuite(
        name="tumours",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=500),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=COLUMNS),
            *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in COLUMNS),
            *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in FEATURES),
            gxe.ExpectColumnValuesToBeInSet(column=TARGET, value_set=[0, 1]),
            gxe.ExpectColumnMeanToBeBetween(column=TARGET, min_value=0.2, max_value=0.6),
        ],
    )


def problems(table: pandas.DataFrame) -> list[str]:
    """The expectations that the table does not meet."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    frame = context.data_sources.add_pandas("memory").add_dataframe_asset("tumours")
    batch = frame.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    columns = batch.validate(COLUMNS_THERE)
    if not columns.success:
        return [f"columns are missing: {', '.join(columns.result['details']['mismatched']['missing'])}"]
    return [_words(each) for each in batch.validate(suite()).results if not each.success]


def _words(result: gx.core.ExpectationValidationResult) -> str:
    """E.g. `expect_column_values_to_be_between mean_radius: 3`."""
    config = result.expectation_config
    found = result.result.get("unexpected_count") or result.result.get("observed_value")
    return f"{config.type} {config.kwargs.get('column', 'of the table')}: {found}"


if __name__ == "__main__":
    given = arguments()
    given.report.unlink(missing_ok=True)
    content = read(given.data)
    sys.exit(finish(given.data, given.report, len(content), problems(content)))
