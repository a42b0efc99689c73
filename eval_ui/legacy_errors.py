"""Chinese sentences of errors that still bring an English sentence along (to be removed)."""

MEDCHAT_TEXTS_ZH = {
    "no_base": "它没有声明基座文件夹。",
    "no_engine": "它的引擎 {engine} 不在此版本中。",
    "base_unset": "请把环境变量 {variable} 设为它的基座文件夹。",
    "adapter_unset": "请把环境变量 {variable} 设为它的适配器文件夹。",
    "base_missing": "它的基座文件夹 {folder} 不存在。",
    "adapter_missing": "它的适配器文件夹 {folder} 不存在。",
}
