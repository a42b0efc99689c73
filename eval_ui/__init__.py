"""The page: the only part that knows Gradio. Decides nothing about models or what is stored."""
