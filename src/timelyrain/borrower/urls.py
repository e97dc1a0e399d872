
app_name = "borrower"
urlpatterns: list = []
