"""How nodes recognise, find and reach each other. No engine, no plan and no decision about work lives here."""
