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
    "no_base": "它没有声明基座文件夹。",
    "no_engine": "它的引擎 {engine} 不在此版本中。",
    "base_unset": "请把环境变量 {variable} 设为它的基座文件夹。",
    "adapter_unset": "请把环境变量 {variable} 设为它的适配器文件夹。",
    "base_missing": "它的基座文件夹 {folder} 不存在。",
    "adapter_missing": "它的适配器文件夹 {folder} 不存在。",
}
