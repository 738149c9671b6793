"""Write the dashboards."""

from config.grafana import files

if __name__ == "__main__":
    for file, text in files().items():
        file.write_text(text)
