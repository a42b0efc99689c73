"""Chinese sentences of errors that still bring an English sentence along (to be removed)."""

MEDCHAT_TEXTS_ZH = {
    "reference_columns": "{file} 缺少这些列：{columns}。",
    "reference_too_many": "{file} 有 {count} 行，最多列出 {most} 行。",
    "reference_twice": "{file} 有两个名为 {column} 的列，请只保留一个。",
    "reference_model": "{file} 第 {row} 行：model 列是空的。",
    "reference_again": (
        "{file} 第 {row} 行：“{model}”连同同一来源已在第 {first} 行。请去掉一行，或写明不同的来源。"
    ),
    "reference_no_figure": "{file} 第 {row} 行：“{model}”没有任何数值，请至少填写一个。",
    "reference_figure": (
        "{file} 第 {row} 行，{column} 列：“{value}”不是平均分。请写 {low} 到 {high} 的数"
        "（用小数点），或留空。"
    ),
    "practice_columns": "{file} 缺少这些列：{columns}。",
    "practice_too_many": "{file} 有 {count} 道练习题，最多 {most} 道。",
    "practice_empty": "第 {row} 行：{column} 列是空的。",
    "practice_score": "第 {row} 行：{column} 只能是 1、2 或 3，而不是“{value}”。",
    "not_json": "页面发来的内容无法识别。请刷新页面。",
    "body_too_long": "页面发来的内容太长。请缩短评语。",
    "no_base": "它没有声明基座文件夹。",
    "no_engine": "它的引擎 {engine} 不在此版本中。",
    "base_unset": "请把环境变量 {variable} 设为它的基座文件夹。",
    "adapter_unset": "请把环境变量 {variable} 设为它的适配器文件夹。",
    "base_missing": "它的基座文件夹 {folder} 不存在。",
    "adapter_missing": "它的适配器文件夹 {folder} 不存在。",
    "load_failed": "加载失败。{reason}",
    "generation_failed": "生成时出错。{reason}",
    "prompt_too_long": (
        "问题有 {tokens} 个 token，加上回答的 {answer} 个，超过了此模型的上限 {most}。请缩短问题。"
    ),
    "question_file_unreadable": "无法读取文件 {file}。",
    "question_file_too_big": "文件 {file} 超过 {most} MB。请拆分成几个文件。",
    "question_file_empty": "文件 {file} 是空的。",
    "question_file_format": (
        "{file} 不是 CSV、JSON 或 Excel（.xlsx）文件。请把表格另存为 .xlsx 或 CSV UTF-8。"
    ),
    "question_file_old_office": (
        "{file} 是旧版 Office 格式。请用 Excel 或 WPS 打开，另存为 Excel 工作簿（.xlsx）。"
    ),
    "workbook_encrypted": "{file} 有密码保护。请用 Excel 或 WPS 打开，取消密码后再保存。",
    "workbook_broken": (
        "{file} 已损坏，或不是 Excel 工作簿。请用 Excel 或 WPS 打开，重新另存为 .xlsx。"
    ),
    "workbook_overloaded": (
        "{file} 的内容远多于一张题目表：单元格、格式、其他部件太多，或文字太多。请只把问题复制到"
        "一个新工作簿（不带格式），另存为 .xlsx；很长的表请拆分成几个文件。"
    ),
    "workbook_too_big": ("{file} 解压后超过 {most} MB。请把问题复制到一个新工作簿，另存为 .xlsx。"),
    "encoding_unknown": (
        "{file} 的文字编码既不是完整的 UTF-8，也不是 GB18030（GBK）。"
        "请用 Excel 或 WPS 打开，另存为 CSV UTF-8 或 .xlsx。"
    ),
    "nul_bytes": (
        "{file} 含有空字节（NUL），不是文本文件。请用原来的软件打开，另存为 CSV UTF-8 或 .xlsx。"
    ),
    "csv_cell_too_long": (
        "{file} 第 {line} 行：有一个单元格超过 {most} 个字符，很可能是引号没有成对。"
    ),
    "csv_quotes": (
        "{file} 第 {line} 行：引号没有成对，或单元格内容中含有引号。"
        '请补全引号；内容中的英文双引号要写成两个（""）。'
    ),
    "json_array_broken": "{file} 不是完整的 JSON 数组：从第 {line} 行起无法读取。",
    "json_item_no_object": "{file}：数组的第 {number} 项不是 JSON 对象。",
    "json_line_no_object": (
        "{file} 第 {line} 行不是 JSON 对象。JSON 问题文件应每行一个对象，或整个文件是一个对象数组。"
    ),
    "header_not_first": "{file}：列名似乎在第 {line} 行。请删除它上方的各行。",
    "no_header": "{file} 没有列名：第一行的内容是“{cell}”。请在最上方加一行列名，例如“问题”。",
    "too_many_columns": "{file} 有 {columns} 列，最多 {most} 列。",
    "column_name_twice": "{file} 中有两列都叫“{column}”。请给每一列取不同的名称。",
    "column_name_too_long": (
        "{file}：列名“{column}”有 {length} 个字符，最多 {most} 个。第一行应是各列的名称。"
    ),
    "row_too_wide": (
        "{file} 第 {line} 行有 {cells} 个单元格，而列名只有 {columns} 个。"
        "内容中含有分隔符时，请用英文双引号括起来。"
    ),
    "too_many_rows": "{file} 超过 {most} 行。请拆分成几个文件。",
    "no_rows": "{file} 只有列名，下面没有内容。",
    "column_missing": "文件中没有“{column}”这一列。",
    "column_chosen_twice": "“{column}”这一列被选作两种用途。请只选一种。",
    "question_missing": "缺少问题。",
    "question_too_long": "问题有 {length} 个字符，最多 {most} 个。",
    "cell_too_long": "“{column}”列的内容有 {length} 个字符，最多 {most} 个。",
    "answer_missing": "缺少“{model}”的回答。",
    "formula_without_result": (
        "“{column}”列的公式没有可用的结果。请直接填写内容，或用 Excel 或 WPS 打开文件后重新保存。"
    ),
    "question_id_twice": "编号“{question_id}”在第 {first} 行已经出现过。",
    "question_twice": "相同的问题在第 {first} 行已经出现过。",
}
