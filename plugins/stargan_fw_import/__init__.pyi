from .importer import ImportedNetwork as ImportedNetwork, Importer as Importer
