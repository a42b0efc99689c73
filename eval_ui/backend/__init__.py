"""What the page works with, without Gradio: services, jobs, actions on studies, reports."""
